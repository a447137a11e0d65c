import Foundation
import Testing

/// compile, inspect, extract and bench infer --program, as a user meets them.
struct ProgramTests {
    @Test("weights become a program and features") func weightsBecomeAProgramAndFeatures() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 30)
        let process = try startCurricle(
            ["pretrain", "--data", data, "--output", folder.file("run")] + smallModel + ["--epochs", "2", "--max-steps", "2"])
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        let program = folder.file("encoder.curricle")
        let compiled = try curricle(
            "compile", "--weights", folder.file("run/model.safetensors"), "--pool", "tokens", "--batch", "4", "-o", program)
        #expect(compiled.code == 0, "\(compiled.errors)")
        #expect(compiled.output.contains("rgb8 [4, 8, 8, 1], patches of 2") && compiled.output.contains("float32 [4, 16, 16]"))
        let inspected = try curricle("inspect", program, "--instructions")
        #expect(inspected.code == 0 && inspected.output.contains("0: patchify"))

        let extracted = try curricle(
            "extract", "--program", program, "--data", data, "--split", "test", "--output", folder.file("f.npy"), "--csv",
            folder.file("f.csv"))
        #expect(extracted.code == 0, "\(extracted.errors)")
        let array = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder.file("f.npy"))))
        #expect(String(decoding: array[10..<128], as: UTF8.self).contains("'shape': (30, 16, 16)") && array.count == 128 + 30 * 16 * 16 * 4)
        let lines = try String(contentsOfFile: folder.file("f.csv"), encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 31 && lines[1].split(separator: ",").count == 257)
        // The table's numbers are the array's.
        let first = (0..<256).map { i in
            array[(128 + 4 * i)..<(132 + 4 * i)].enumerated().reduce(UInt32(0)) { $0 | UInt32($1.element) << (8 * UInt32($1.offset)) }
        }
        #expect(lines[1].split(separator: ",").dropFirst().map { Float($0)?.bitPattern } == first.map { Optional($0) })

        let timed = try curricle("bench", "infer", "--program", program, "--json", "--repeats", "2", "--warmup", "1", "--threads", "2")
        let row = try #require(try JSONSerialization.jsonObject(with: Data(timed.output.utf8)) as? [String: Any])
        for key in ["infer_s", "img_s", "open_s", "open_checked_s", "arena_mb", "peak_share"] { #expect(row[key] is Double, "\(key)") }
    }

    @Test("broken files end in one line") func brokenFilesEndInOneLine() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 10)
        let bad = try folder.write("bad.curricle", Array("CURRICLE".utf8) + Array(repeating: 7, count: 400))
        for arguments in [
            ["inspect", bad], ["extract", "--program", bad, "--data", data, "--output", folder.file("o.npy")],
            ["bench", "infer", "--program", bad]
        ] {
            let errors = Pipe()
            let process = try startCurricle(arguments, errors: errors)
            let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 2 && text.contains(bad) && text.contains("format version"), "\(arguments): \(text)")
        }
        #expect(!FileManager.default.fileExists(atPath: folder.file("o.npy")))
        #expect(try curricle("compile", "--trace", bad, "-o", folder.file("t")).code == 2)
    }

    @Test("traces are saved") func tracesAreSaved() throws {
        let folder = try Folder()
        let saved = try curricle("compile", "--trace", fixture("micro.safetensors"), "-o", folder.file("programs"))
        #expect(saved.code == 0, "\(saved.errors)")
        for name in ["step-a", "step-b", "features"] {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: folder.file("programs/\(name).program")))
            #expect(bytes.prefix(8) == Data("CURRICT4".utf8))
        }
    }
}
