import Foundation
import CurricleTestSupport
import Testing
@testable import CurricleStorage

@Suite struct StepLogTests {
    @Test("writes ordered objects that JSON readers read") func writesOrderedObjectsThatJSONReadersRead() throws {
        let folder = try TemporaryFolder()
        var log = try StepLog(path: folder.file("log.jsonl"))
        try log.append([
            ("step", 7), ("loss", .float(0.412)), ("lr", .double(0.1)), ("tiny", .double(.leastNonzeroMagnitude)), ("big", .double(1e300)),
            ("note", "a \"quote\"\n\\ λ \u{1}"), ("done", true), ("bad", .float(.nan)), ("worse", .double(-.infinity))
        ])
        try log.flush()
        let text = try folder.text("log.jsonl")
        let expected =
            #"{"step":7,"loss":0.412,"lr":0.1,"tiny":5e-324,"big":1e+300,"#
            + #""note":"a \"quote\"\n\\ λ \u0001","done":true,"bad":"NaN","worse":"-Infinity"}"# + "\n"
        #expect(text == expected)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(object["note"] as? String == "a \"quote\"\n\\ λ \u{1}")
        #expect(object["tiny"] as? Double == .leastNonzeroMagnitude)
    }

    @Test("appends after an earlier run") func appendsAfterAnEarlierRun() throws {
        let folder = try TemporaryFolder()
        for step in 1...2 {
            var log = try StepLog(path: folder.file("log"))
            try log.append([("step", .integer(step))])
            try log.flush()
        }
        #expect(try folder.text("log") == "{\"step\":1}\n{\"step\":2}\n")
    }

    @Test("what is not flushed is written when the log goes") func whatIsNotFlushedIsWrittenWhenTheLogGoes() throws {
        let folder = try TemporaryFolder()
        do {
            var log = try StepLog(path: folder.file("log"))
            try log.append([("step", 1)])
        }
        #expect(try folder.text("log") == "{\"step\":1}\n")
    }

    private static let cuts: [(String, Int, String)] = [
        // Text, step, what is left.
        ("{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n", 2, "{\"step\":1}\n{\"step\":2}\n"),
        ("{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n", 3, "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n"),
        ("{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n", 0, ""),
        // Lines without a step go with the steps before them.
        (
            "{\"run\":\"x\"}\n{\"step\":1}\n{\"n\":{\"step\":9}}\n{\"step\":2}\n{\"n\":1}\n", 1,
            "{\"run\":\"x\"}\n{\"step\":1}\n{\"n\":{\"step\":9}}\n"
        ),
        // A torn last line, whole but for its end, or cut anywhere.
        ("{\"step\":1}\n{\"step\":2}", 9, "{\"step\":1}\n"),
        ("{\"step\":1}\n{\"st", 9, "{\"step\":1}\n"),
        ("{\"step\":1}\n{\"st\n", 9, "{\"step\":1}\n"),
        ("{\"step\":1}\n\0\0\0\n", 9, "{\"step\":1}\n"),
        ("{\"st", 9, ""), ("", 9, ""), ("\n", 9, ""),
        // The step elsewhere in the line, in other spellings.
        ("{\"loss\":[1,{\"a\":2}], \"step\" : 10 }\n", 9, ""),
        ("{\"loss\":1,\"step\":1e1}\n", 9, ""),
        ("{\"step\":\"11\"}\n{\"step\":10}\n", 9, "{\"step\":\"11\"}\n")
    ]

    @Test("cuts back to a step", arguments: cuts)
    func cutsBackToAStep(text: String, step: Int, left: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("log", Array(text.utf8))
        try StepLog.truncate(path: path, toStep: step)
        #expect(try folder.text("log") == left)
        try StepLog.truncate(path: path, toStep: step)
        #expect(try folder.text("log") == left)
    }

    @Test("torn tail goes when the log is opened") func tornTailGoesWhenTheLogIsOpened() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("log", Array("{\"step\":1}\n{\"ste".utf8))
        var log = try StepLog(path: path)
        try log.append([("step", 2)])
        try log.flush()
        #expect(try folder.text("log") == "{\"step\":1}\n{\"step\":2}\n")
    }

    @Test("absent log is left so and an unwritable one is named") func absentLogIsLeftSoAndAnUnwritableOneIsNamed() throws {
        let folder = try TemporaryFolder()
        try StepLog.truncate(path: folder.file("absent"), toStep: 1)
        #expect(try folder.names() == [])
        #expect(throws: FileError.refused(.open, path: "/absent-folder/log", code: ENOENT)) {
            _ = try StepLog(path: "/absent-folder/log")
        }
        #expect(throws: FileError.notAFile(path: folder.path)) { _ = try StepLog(path: folder.path) }
    }

    @Test("full disk is named") func fullDiskIsNamed() throws {
        // The kernel's own ENOSPC.
        #expect(throws: FileError.refused(.write, path: "/dev/full", code: ENOSPC)) {
            var file = try AppendFile(path: "/dev/full")
            try file.append([1, 2, 3])
            try file.flush()
        }
    }
}
