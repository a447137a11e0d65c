import Foundation
import CurricleTestSupport
import Testing
@testable import CurricleStorage

/// Files that lie: each is refused with a reason, none is trusted with an offset or a size.
@Suite struct SafetensorsHostileTests {
    private let reference = fixture("reference.safetensors")

    @Test("truncation at every byte is refused") func truncationAtEveryByteIsRefused() throws {
        let folder = try TemporaryFolder()
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: reference)))
        for count in 0..<bytes.count {
            let path = try folder.write("cut", Array(bytes[..<count]))
            #expect(throws: TensorFileError.self, "\(count) bytes") { try TensorFile(path: path) }
        }
        let path = try folder.write("long", bytes + [0])
        #expect(throws: TensorFileError.self) { try TensorFile(path: path) }
    }

    /// The bytes of a file with this header and `data` zeros behind it.
    private func file(_ header: [UInt8], length: UInt64? = nil, data: Int = 0) -> [UInt8] {
        let length = length ?? UInt64(header.count)
        return (0..<8).map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) } + header + [UInt8](repeating: 0, count: data)
    }

    private func reason(_ bytes: [UInt8]) throws -> String? {
        let folder = try TemporaryFolder()
        let path = try folder.write("hostile", bytes)
        do throws(TensorFileError) {
            _ = try TensorFile(path: path)
            return nil
        } catch {
            #expect(error.description.hasPrefix("\(path) is not a valid safetensors file: "))
            #expect(!error.description.contains("\n"))
            return error.description
        }
    }

    private static let valid: [(String, Int)] = [
        ("{}", 0), ("{}      ", 0), (#"{"__metadata__":{}}"#, 0),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 8),
        (#"{ "a" : { "shape":[ ] , "data_offsets":[0,4], "dtype":"F32" } }  "#, 4),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"later":{"x":[1,-2.5e3,null,true,"\u00e9"]}}}"#, 8),
        (#"{"b":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"a":{"dtype":"F32","shape":[1],"data_offsets":[3,7]}}"#, 7),
        (#"{"b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#, 2),
        (#"{"f4":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}}"#, 2)
    ]

    @Test("valid oddities", arguments: valid)
    func validOddities(header: String, data: Int) throws {
        #expect(try reason(file(Array(header.utf8), data: data)) == nil)
    }

    private static let broken: [(String, Int, String)] = [
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 12, "bytes follow its last tensor"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 4, "it is cut off"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, 12, "leaves a hole"),
        (#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#, 6, "overlaps"),
        (#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#, 4, "overlaps"),
        (#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[5,9]}}"#, 9, "leaves a hole"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, 8, "needs 8 bytes"),
        (#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, 8, "needs 12 bytes"),
        (#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}}"#, 0, "impossible shape"),
        (#"{"a":{"dtype":"F32","shape":[9223372036854775807,2,0],"data_offsets":[0,0]}}"#, 0, "impossible shape"),
        (#"{"a":{"dtype":"F64","shape":[1152921504606846976],"data_offsets":[0,8]}}"#, 8, "impossible shape"),
        (#"{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}"#, 2, "impossible shape"),
        (#"{"a":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,0]}}"#, 0, "too large"),
        (
            #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[9223372036854775806,9223372036854775807]}}"#, 0,
            "data_offsets|impossible|beyond|hole"
        ),
        (#"{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}}"#, 0, "0 or more"),
        (#"{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}"#, 1, "whole number"),
        (#"{"a":{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}}"#, 1, "whole number"),
        (#"{"a":{"dtype":"U8","shape":[01],"data_offsets":[0,1]}}"#, 1, "begins with 0"),
        (#"{"a":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}}"#, 1, "0 or more"),
        (#"{"a":{"dtype":"U8","shape":1,"data_offsets":[0,1]}}"#, 1, "'[' expected"),
        (#"{"a":{"dtype":"Q8","shape":[1],"data_offsets":[0,1]}}"#, 1, "unknown type 'Q8'"),
        (#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}"#, 1, "lacks"),
        (#"{"a":{"dtype":"U8","shape":[1]}}"#, 1, "lacks"),
        (#"{"a":{}}"#, 0, "lacks"),
        (#"{"a":[]}"#, 0, "'{' expected"),
        (
            #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, 1,
            "'a' appears twice"
        ),
        (
            #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#, 2,
            "'a' appears twice"
        ),
        (#"{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, 1, "'dtype' appears twice"),
        (#"{"__metadata__":{},"__metadata__":{}}"#, 0, "__metadata__ appears twice"),
        (#"{"__metadata__":{"k":"1","k":"2"}}"#, 0, "metadata 'k' appears twice"),
        (#"{"__metadata__":{"k":1}}"#, 0, "'\"' expected"),
        (#"{"__metadata__":{"k":{"deep":"er"}}}"#, 0, "'\"' expected"),
        (#"{"__metadata__":[]}"#, 0, "'{' expected"),
        (#"{"__metadata__":{"k":"\ud800"}}"#, 0, "surrogate"),
        (#"{"__metadata__":{"k":"\ud800\u0041"}}"#, 0, "surrogate"),
        (#"{"__metadata__":{"k":"\udc00"}}"#, 0, "surrogate"),
        (#"{"__metadata__":{"k":"\x"}}"#, 0, "unknown escape"),
        (#"{"__metadata__":{"k":"\u12g4"}}"#, 0, "hexadecimal"),
        ("{\"__metadata__\":{\"k\":\"a\nb\"}}", 0, "control character"),
        (#"{"__metadata__":{"k":"open"#, 0, "without end"),
        (#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},}"#, 1, "expected"),
        (#"{"a":{"dtype":"U8","shape":[1,],"data_offsets":[0,1]}}"#, 1, "0 or more"),
        ("{}x", 0, "after the end"), ("{}{}", 0, "after the end"), ("{", 0, "expected"), ("{}\0", 0, "after the end"),
        (" {}", 0, "begin with '{'"), ("[]", 0, "begin with '{'"), ("", 0, "begin with '{'"), ("\u{FEFF}{}", 0, "begin with '{'")
    ]

    @Test("broken rules are named", arguments: broken)
    func brokenRulesAreNamed(header: String, data: Int, expected: String) throws {
        let found = try #require(try reason(file(Array(header.utf8), data: data)))
        #expect(expected.split(separator: "|").contains { found.contains($0) }, "\(found)")
    }

    @Test("headers of millions of escapes are read in a time that grows with their length alone; those of millions of things are refused")
    func longHeaders() throws {
        // Building such a text anew at each escape would copy it 1,280,000 times: 10¹² bytes.
        let folder = try TemporaryFolder(), count = 1_280_000
        let path = try folder.write(
            "escapes",
            file(
                Array(#"{"__metadata__":{"a":""#.utf8) + Array(repeatElement(Array(#"\n"#.utf8), count: count).joined())
                    + Array(#""}}"#.utf8)))
        #expect(try TensorFile(path: path).metadata["a"] == String(repeating: "\n", count: count))
        func entries(_ count: Int, _ entry: (Int) -> String) -> String { (0..<count).map(entry).joined(separator: ",") }
        for (header, expected) in [
            ("{" + entries(200_001) { #""t\#($0)":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"# } + "}", "more than 200000 tensors"),
            (#"{"__metadata__":{"# + entries(100_001) { #""k\#($0)":"v""# } + "}}", "more than 100000 metadata"),
            (#"{"a":{"# + entries(100) { #""k\#($0)":1"# } + "}}", "more than 64 members"),
            (#"{"a":{"dtype":"F32","shape":["# + entries(1000) { _ in "1" } + #"],"data_offsets":[0,4]}}"#, "more than 64 numbers")
        ] {
            let found = try #require(try reason(file(Array(header.utf8), data: 4)))
            #expect(found.contains(expected), "\(found)")
        }
    }

    @Test("header lengths that lie") func headerLengthsThatLie() throws {
        let header = Array("{}".utf8)
        for length in [UInt64.max, 1 << 63, UInt64(Int.max), 100_000_001] {
            #expect(try #require(try reason(file(header, length: length))).contains("more than"))
        }
        for length: UInt64 in [100_000_000, 3] {
            #expect(try #require(try reason(file(header, length: length))).contains("ends within its header"))
        }
        #expect(try reason([1, 2, 3]) != nil)
        #expect(try reason([]) != nil)
    }

    @Test("deep nesting is refused without recursion") func deepNestingIsRefusedWithoutRecursion() throws {
        for (open, close) in [("[", "]"), ("{\"x\":", "}")] {
            let deep = String(repeating: open, count: 100_000) + "1" + String(repeating: close, count: 100_000)
            let header = "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"later\":\(deep)}}"
            #expect(try #require(try reason(file(Array(header.utf8), data: 1))).contains("nested too deeply"))
            #expect(try reason(file(Array("{\"a\":\(deep)}".utf8), data: 1)) != nil)
        }
    }

    @Test(
        "headers that are not UTF 8",
        arguments: [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82]] as [[UInt8]])
    func headersThatAreNotUTF8(bad: [UInt8]) throws {
        let header = Array(#"{"__metadata__":{"k":""#.utf8) + bad + Array(#""}}"#.utf8)
        #expect(try #require(try reason(file(header))).contains("not UTF-8"))
    }

    @Test("every single byte change is read or refused") func everySingleByteChangeIsReadOrRefused() throws {
        // No crash whatever a byte of the header becomes; and what is accepted still lies within the file.
        let folder = try TemporaryFolder()
        let bytes = file(Array(#"{"__metadata__":{"k":"v"},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#.utf8), data: 2)
        for index in bytes.indices {
            for value: UInt8 in [0, 0x20, 0x22, 0x2C, 0x30, 0x39, 0x5B, 0x5C, 0x5D, 0x7B, 0x7D, 0x80, 0xFF] {
                var damaged = bytes
                damaged[index] = value
                let path = try folder.write("damaged", damaged)
                guard let read = try? TensorFile(path: path) else { continue }
                for entry in read.tensors.values { #expect(entry.byteRange.upperBound <= bytes.count) }
            }
        }
    }
}
