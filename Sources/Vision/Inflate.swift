import CZlib

/// Whether the bytes begin as a gzip file does.
func isGzip(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x1F, 0x8B]) }

/// Unpacks gzip in pieces, so that its user decides how much is enough before more is unpacked.
final class Inflater {
    /// zlib's state points back to this, so it must stay where it is.
    private let stream: UnsafeMutablePointer<z_stream>
    private let input: [UInt8]
    private let path: String
    private var consumed = 0
    private var isFinished = false

    init(_ input: [UInt8], path: String) throws(VisionError) {
        self.input = input
        self.path = path
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // 15 + 32: largest window, gzip or zlib header; the size is what the macro inflateInit2 passes.
        guard inflateInit2_(stream, 47, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw .unreadable(path: path, reason: "zlib did not start")
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Up to `limit` (below 2³⁰) further bytes; fewer only at the end of the stream. Errors: `truncated`, `corrupt`.
    func next(_ limit: Int) throws(VisionError) -> [UInt8] {
        if isFinished { return [] }
        var status: Int32 = Z_OK
        let output = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            stream.pointee.next_out = buffer.baseAddress
            stream.pointee.avail_out = UInt32(limit)
            input.withUnsafeBufferPointer { status = inflateParts(of: $0) }
            count = limit - Int(stream.pointee.avail_out)
        }
        switch status {
        case Z_STREAM_END: isFinished = true
        case Z_OK where output.count == limit: break
        case Z_OK, Z_BUF_ERROR: throw .truncated(name: path, reason: "the gzip stream ends early")
        default: throw .corrupt(name: path, reason: "the gzip stream is not valid")
        }
        return output
    }

    /// zlib counts in 32 bits, so a long input is shown to it in parts.
    private func inflateParts(of input: UnsafeBufferPointer<UInt8>) -> Int32 {
        while true {
            let shown = min(input.count - consumed, 1 << 30)
            stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress.map { $0 + consumed })
            stream.pointee.avail_in = UInt32(shown)
            let status = inflate(stream, Z_NO_FLUSH)
            consumed += shown - Int(stream.pointee.avail_in)
            if status != Z_OK || stream.pointee.avail_out == 0 || consumed == input.count { return status }
        }
    }
}
