import CurricleCZlib

/// Whether the bytes begin as a gzip file does.
package func isGzip(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x1F, 0x8B]) }

/// Unpacks gzip or zlib in pieces, so that its user decides how much is enough before more is unpacked. Its input comes in pieces, too.
package final class Inflater {
    /// zlib's state points back to this, so it must stay where it is.
    private let stream: UnsafeMutablePointer<z_stream>
    private let name: String
    /// Further packed bytes; none at their end.
    private let more: () throws(VisionError) -> [UInt8]
    private var input: [UInt8] = []
    private var consumed = 0
    private var isFinished = false

    package init(name: String, more: @escaping () throws(VisionError) -> [UInt8]) throws(VisionError) {
        self.name = name
        self.more = more
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // 15 + 32: largest window, gzip or zlib header; the size is what the macro inflateInit2 passes.
        guard inflateInit2_(stream, 47, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw .unreadable(path: name, reason: "zlib did not start")
        }
    }

    /// Of an open file, from its beginning.
    package convenience init(file: Int32, path: ByteName) throws(VisionError) {
        var offset = 0
        try self.init(name: "\(path)") { () throws(VisionError) in
            let bytes = try readBytes(of: file, at: offset, count: 1 << 18, path: path)
            offset += bytes.count
            return bytes
        }
    }

    /// Of bytes in memory.
    package convenience init(_ bytes: [UInt8], name: String) throws(VisionError) {
        var rest = bytes
        try self.init(name: name) { () throws(VisionError) in
            defer { rest = [] }
            return rest
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Up to `limit` (below 2³⁰) further bytes; fewer only at the end of the stream. Errors: `truncated`, `corrupt`, and the input's.
    package func next(_ limit: Int) throws(VisionError) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: limit), filled = 0
        while filled < limit, !isFinished {
            if consumed == input.count {
                input = try more()
                consumed = 0
                if input.isEmpty { throw .truncated(name: name, reason: "the compressed stream ends early") }
            }
            let status = inflate(into: &output, from: &filled)
            if status == Z_STREAM_END {
                isFinished = true
            } else if status != Z_OK && status != Z_BUF_ERROR {
                throw .corrupt(name: name, reason: "the compressed stream is not valid")
            }
        }
        output.removeLast(limit - filled)
        return output
    }

    private func inflate(into output: inout [UInt8], from filled: inout Int) -> Int32 {
        output.withUnsafeMutableBufferPointer { target in
            input.withUnsafeMutableBufferPointer { packed in
                stream.pointee.next_out = target.baseAddress.map { $0 + filled }
                stream.pointee.avail_out = UInt32(target.count - filled)
                stream.pointee.next_in = packed.baseAddress.map { $0 + consumed }
                stream.pointee.avail_in = UInt32(packed.count - consumed)
                let status = CurricleCZlib.inflate(stream, Z_NO_FLUSH)
                filled = target.count - Int(stream.pointee.avail_out)
                consumed = packed.count - Int(stream.pointee.avail_in)
                return status
            }
        }
    }
}
