import Foundation

/// A TensorBoard event file: scalars by step.
///
/// Framing (TFRecord): `u64 length | u32 masked CRC-32C of the length | data | u32 masked CRC-32C of the data`, all
/// little-endian; each record an `Event` protocol buffer with its `wall_time`, the first of them the version.
///
///     var events = try EventFile(folder: "run", resumingAtStep: nil)
///     try events.scalars([("train_loss", 0.41), ("lr", 1e-3)], step: 12)
///     try events.flush()
package struct EventFile: ~Copyable, Sendable {
    /// Where the file stands.
    package let path: String

    private var file: AppendFile
    private let clock: @Sendable () -> Double

    /// Opens the newest event file of a folder, cut back to a step, or begins a new one.
    /// - Parameters:
    ///   - folder: an existing folder.
    ///   - step: nil begins a new file; a number goes on in the newest one, if there is one, and drops what was logged
    ///     beyond that step.
    ///   - clock: seconds since 1970.
    package init(
        folder: String, resumingAtStep step: Int? = nil,
        clock: @escaping @Sendable () -> Double = { Date().timeIntervalSince1970 }
    ) throws(FileError) {
        let existing = try EventFile.files(in: folder)
        if let step {
            // All of them: an older file can hold steps of a run that was resumed from an earlier state.
            for path in existing { try EventFile.truncate(path: path, toStep: step) }
        }
        let now = clock()
        let new = EventFile.newPath(in: folder, seconds: Int(now), existing: existing)
        let path = step == nil ? new : existing.last ?? new
        file = try EventFile.begin(path, time: now)
        self.path = path
        self.clock = clock
    }

    /// Opens a file; if it is new or empty, its first record says which format it has.
    private static func begin(_ path: String, time: Double) throws(FileError) -> AppendFile {
        var file = try AppendFile(path: path)
        if try isEmpty(path) {
            var event = ProtocolBuffer()
            event.fixed64(field: 1, time.bitPattern)
            event.delimited(field: 3, Array("brain.Event:2".utf8))
            try file.append(record(event.bytes))
            try file.flush()
        }
        return file
    }

    /// Adds scalars of one step, each under its tag.
    package mutating func scalars(_ values: [(tag: String, value: Float)], step: Int) throws(FileError) {
        var summary = ProtocolBuffer()
        for (tag, value) in values {
            var entry = ProtocolBuffer()
            entry.delimited(field: 1, Array(tag.utf8))
            entry.fixed32(field: 2, value.bitPattern)
            summary.delimited(field: 1, entry.bytes)
        }
        try append(step: step, summary)
    }

    /// Hands all records to the system, so that TensorBoard sees them.
    package mutating func flush() throws(FileError) { try file.flush() }

    private mutating func append(step: Int, _ summary: ProtocolBuffer) throws(FileError) {
        var event = ProtocolBuffer()
        event.fixed64(field: 1, clock().bitPattern)
        // Protocol buffers leave out a number that is 0.
        if step != 0 { event.varint(field: 2, UInt64(bitPattern: Int64(step))) }
        event.delimited(field: 5, summary.bytes)
        try file.append(EventFile.record(event.bytes))
    }

    /// TFRecord framing of one record.
    package static func record(_ data: [UInt8]) -> [UInt8] {
        let length = ProtocolBuffer.littleEndian(UInt64(data.count))
        return length + ProtocolBuffer.littleEndian(maskedChecksum(length)) + data
            + ProtocolBuffer.littleEndian(maskedChecksum(data))
    }

    private static func maskedChecksum(_ bytes: [UInt8]) -> UInt32 {
        var sum = CRC32C()
        sum.update(bytes)
        return sum.masked
    }
}

// MARK: - Files and cutting back

extension EventFile {
    /// The event files of a folder, oldest first (their names begin with the time).
    package static func files(in folder: String) throws(FileError) -> [String] {
        let events = try names(in: folder).filter { $0.hasPrefix("events.out.tfevents.") }
        return events.sorted().map { folder.hasSuffix("/") ? folder + $0 : "\(folder)/\($0)" }
    }

    /// Cuts an event file back to where a run resumes: the first record whose step is greater than `step` goes, with
    /// all that follows it, and so does a torn or damaged tail. A file that does not exist is left so.
    package static func truncate(path: String, toStep step: Int) throws(FileError) {
        try AppendFile.cut(path: path) { bytes in
            var start = 0
            while let data = recordData(in: bytes, at: start) {
                let fields = ProtocolBufferFields(UnsafeRawBufferPointer(rebasing: bytes[data]))
                let found = fields.first { $0.field == 2 }?.varint ?? 0
                if Int64(bitPattern: found) > Int64(step) { break }
                start = data.upperBound + 4
            }
            return start
        }
    }

    /// Where the data of the record at `start` lie; nil if it is torn or its checksums are wrong.
    private static func recordData(in bytes: UnsafeRawBufferPointer, at start: Int) -> Range<Int>? {
        guard bytes.count - start >= 16 else { return nil }
        let length = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
        guard length <= UInt64(bytes.count - start - 16) else { return nil }
        let data = (start + 12)..<(start + 12 + Int(length))
        guard isIntact(bytes, start..<(start + 8)), isIntact(bytes, data) else { return nil }
        return data
    }

    /// Whether the checksum behind `range` is that of the bytes in it.
    private static func isIntact(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        var sum = CRC32C()
        sum.update(UnsafeRawBufferPointer(rebasing: bytes[range]))
        let stored = bytes.loadUnaligned(fromByteOffset: range.upperBound, as: UInt32.self)
        return UInt32(littleEndian: stored) == sum.masked
    }

    private static func newPath(in folder: String, seconds: Int, existing: [String]) -> String {
        var seconds = seconds
        while true {
            let digits = String(seconds)
            let padded = String(repeating: "0", count: max(0, 10 - digits.count)) + digits
            let path = "\(folder)\(folder.hasSuffix("/") ? "" : "/")events.out.tfevents.\(padded).curricle"
            // Two runs begun within one second must not share a file.
            if !existing.contains(path) { return path }
            seconds += 1
        }
    }

    private static func isEmpty(_ path: String) throws(FileError) -> Bool {
        var information = stat()
        guard stat(path, &information) == 0 else { throw .refused(.open, path: path, code: errno) }
        return information.st_size == 0
    }
}
