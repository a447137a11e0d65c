import Foundation
import Synchronization
import CurricleTestSupport
import Testing
@testable import CurricleStorage

@Suite struct EventFileTests {
    private var reference: [UInt8] {
        get throws { [UInt8](try Data(contentsOf: URL(fileURLWithPath: fixture("reference.tfevents")))) }
    }

    /// A clock that says 1000.5, 1001.5, …, as the fixture's does; the file's name takes the first whole second.
    private func clock() -> @Sendable () -> Double {
        let calls = Mutex(0)
        return {
            calls.withLock { count in
                defer { count += 1 }
                return 1000.5 + Double(count)
            }
        }
    }

    @Test("writes the bytes that tensor board writes") func writesTheBytesThatTensorBoardWrites() throws {
        let folder = try TemporaryFolder()
        var events = try EventFile(folder: folder.path, clock: clock())
        try events.scalars([("train_loss", 0.75), ("λ", 0)], step: 0)
        try events.scalars([("train_loss", 0.5)], step: 300)
        try events.flush()
        #expect(try folder.names() == ["events.out.tfevents.0000001000.curricle"])
        // The fixture's last record is a picture, which runs do not write.
        let all = try reference
        #expect(try folder.bytes("events.out.tfevents.0000001000.curricle") == Array(all[..<ends(all)[3]]))
    }

    /// Where the fixture's records end: lengths read from the framing alone.
    private func ends(_ bytes: [UInt8]) -> [Int] {
        var ends = [0]
        while let start = ends.last, start + 16 <= bytes.count {
            let length = (0..<8).reduce(0) { $0 | Int(bytes[start + $1]) << ($1 * 8) }
            ends.append(start + 16 + length)
        }
        return ends
    }

    @Test("cuts back to a step", arguments: [(-1, 1), (0, 2), (299, 2), (300, 3), (301, 4), (Int.max, 4)])
    func cutsBackToAStep(step: Int, records: Int) throws {
        let bytes = try reference
        let folder = try TemporaryFolder()
        let path = try folder.write("events", bytes)
        try EventFile.truncate(path: path, toStep: step)
        // Step 0 is what a record without a step has: the version record goes with a negative step too.
        let kept = step < 0 ? 0 : records
        #expect(try folder.bytes("events") == Array(bytes[..<ends(bytes)[kept]]))
    }

    @Test("torn tails are dropped at every length") func tornTailsAreDroppedAtEveryLength() throws {
        let bytes = try reference
        let ends = ends(bytes)
        #expect(ends.count == 5)
        let folder = try TemporaryFolder()
        for count in 0...bytes.count {
            let path = try folder.write("events", Array(bytes[..<count]))
            try EventFile.truncate(path: path, toStep: .max)
            let expected = try #require(ends.last { $0 <= count })
            #expect(try folder.bytes("events").count == expected)
        }
    }

    @Test("damage ends the file where it is") func damageEndsTheFileWhereItIs() throws {
        let bytes = try reference
        let ends = ends(bytes)
        let folder = try TemporaryFolder()
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 0x80
            let path = try folder.write("events", damaged)
            try EventFile.truncate(path: path, toStep: .max)
            let expected = try #require(ends.last { $0 <= index })
            #expect(try folder.bytes("events").count == expected)
        }
    }

    @Test("resumes in the newest file") func resumesInTheNewestFile() throws {
        let folder = try TemporaryFolder()
        let bytes = try reference
        let ends = ends(bytes)
        try folder.write("events.out.tfevents.0000000500.curricle", Array(bytes[..<ends[2]]))
        try folder.write("events.out.tfevents.0000000700.curricle", bytes)
        try folder.write("other", [1])
        do {
            var events = try EventFile(folder: folder.path, resumingAtStep: 299, clock: { 1002.5 })
            #expect(events.path.hasSuffix("0700.curricle"))
            try events.scalars([("train_loss", 0.5)], step: 300)
        }
        #expect(try folder.bytes("events.out.tfevents.0000000700.curricle") == Array(bytes[..<ends[3]]))
        #expect(try folder.names().count == 3)
    }

    @Test("a new run takes a new file and a resumed one without any begins one")
    func aNewRunTakesANewFileAndAResumedOneWithoutAnyBeginsOne() throws {
        let folder = try TemporaryFolder()
        for resuming in [5, nil, nil] as [Int?] {
            _ = try EventFile(folder: folder.path, resumingAtStep: resuming, clock: { 1_700_000_000 })
        }
        #expect(try folder.names() == (0..<3).map { "events.out.tfevents.170000000\($0).curricle" })
        #expect(throws: FileError.refused(.list, path: "/absent-folder", code: ENOENT)) {
            _ = try EventFile(folder: "/absent-folder")
        }
    }
}
