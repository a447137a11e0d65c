/// `log.jsonl`: one JSON object a line, keys in the order they are given. But for the times and the machine at the end of an
/// epoch's line, the logs of a run and of the same run interrupted and resumed are the same.
///
///     var log = try StepLog(path: "run/log.jsonl")
///     try log.append([("step", .integer(7)), ("loss", .float(0.412))])
///     try log.flush()
package struct StepLog: ~Copyable, Sendable {
    private var file: AppendFile

    /// Opens a log for appending, or makes it. A last line that a kill tore is dropped.
    package init(path: String) throws(FileError) {
        try StepLog.truncate(path: path, toStep: .max)
        file = try AppendFile(path: path)
    }

    /// Adds a line. Lines that belong to a step should say so under the key "step": ``truncate(path:toStep:)`` goes by it.
    package mutating func append(_ fields: [(key: String, value: LogValue)]) throws(FileError) {
        try file.append(Array((jsonLine(fields) + "\n").utf8))
    }

    /// Hands all lines to the system.
    package mutating func flush() throws(FileError) { try file.flush() }

    /// Cuts a log back to where a run resumes: the first line whose "step" is greater than `step` goes, with all that
    /// follows it, and so does a torn last line. A log that does not exist is left so.
    package static func truncate(path: String, toStep step: Int) throws(FileError) {
        try AppendFile.cut(path: path) { keptPrefix($0, step: step) }
    }

    /// Cuts a log back to its first lines. A log that does not exist is left so.
    package static func truncate(path: String, toLines count: Int) throws(FileError) {
        try AppendFile.cut(path: path) { bytes in
            var start = 0
            for _ in 0..<count {
                guard let end = bytes[start...].firstIndex(of: 0x0A) else { break }
                start = end + 1
            }
            return start
        }
    }

    private static func keptPrefix(_ bytes: UnsafeRawBufferPointer, step: Int) -> Int {
        var start = 0
        while start < bytes.count {
            guard let end = bytes[start...].firstIndex(of: 0x0A) else { return start }
            let line = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
            switch readStep(line) {
            case .some(let found?) where found > Double(step): return start
            // A line that is no JSON can be a torn one only if it is the last (a power cut can leave zeros).
            case .none where end + 1 == bytes.count: return start
            default: start = end + 1
            }
        }
        return start
    }

    /// The number under "step": nil if the line is no JSON object, .some(nil) if it has none.
    private static func readStep(_ line: UnsafeRawBufferPointer) -> Double?? {
        var scanner = JSONScanner(line)
        var step: Double?
        do {
            try scanner.object { (scanner, key) throws(JSONScanner.Failure) in
                let text = key == "step" ? try scanner.numberTextIfNext() : nil
                if let text { step = Double(text) } else { try scanner.skipValue() }
            }
            try scanner.expectEnd()
            return .some(step)
        } catch {
            return .none
        }
    }
}
