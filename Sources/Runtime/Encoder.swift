import CSupport
import CurricleProgram

/// A program file opened by the library that devices run (`curricle.h`): what users of the tool run is what they ship.
/// Not for use from several threads at once: it holds one arena.
package final class Encoder {
    /// Pixels [images, height, width, channels] go in, features [images, rows, width] come out.
    package struct Shape: Sendable, Equatable {
        package let images, height, width, channels, patch: Int
        package let rows, rowWidth: Int
        package var inputBytes: Int { images * height * width * channels }
        package var outputCount: Int { images * rows * rowWidth }
        package var imageBytes: Int { height * width * channels }
        package var imageOutputs: Int { rows * rowWidth }
    }

    package let shape: Shape
    package let isa: ISA
    /// FLOPs of the matrix products of one run.
    package let flops: Double
    package var arenaBytes: Int { arena.bytes }
    private var encoder: curricle_encoder
    private let arena: Memory

    /// - Parameters:
    ///   - bytes: the whole file, 64-byte aligned; it must stay as it is for as long as the encoder lives.
    ///   - isa: nil for the best of this CPU.
    /// - Throws: `RuntimeError.badProgram` with the library's reason, `RuntimeError.threads`.
    package init(bytes: UnsafeRawBufferPointer, threads: Int, isa: ISA? = nil, verifiesChecksum: Bool = true) throws(RuntimeError) {
        try Machine.requireThreads(threads)
        var opened = curricle_encoder()
        var options = curricle_options()
        options.size = MemoryLayout<curricle_options>.size
        options.threads = Int32(clamping: min(threads, 256))
        options.isa = Int32((isa?.value ?? CURRICLE_ISA_BEST).rawValue)
        options.ignore_checksum = verifiesChecksum ? 0 : 1
        try Encoder.check(curricle_open(&opened, bytes.baseAddress, bytes.count, &options))
        var s = curricle_shape()
        s.size = MemoryLayout<curricle_shape>.size
        try Encoder.check(curricle_shape_of(&opened, &s))
        shape = Shape(
            images: Int(s.images), height: Int(s.height), width: Int(s.width), channels: Int(s.channels), patch: Int(s.patch),
            rows: Int(s.rows), rowWidth: Int(s.row_width))
        self.isa = ISA(rawValue: curricle_isa_of(&opened).rawValue) ?? .baseline
        flops = curricle_flops(&opened)
        arena = try Memory(bytes: curricle_arena_bytes(&opened), purpose: "the program's arena")
        encoder = opened
    }

    /// Computes the features of a batch.
    /// - Parameters:
    ///   - pixels: `shape.inputBytes` bytes.
    ///   - features: `shape.outputCount` floats, all written.
    /// - Throws: `RuntimeError.badProgram` for buffers of other sizes.
    package func run(_ pixels: UnsafeBufferPointer<UInt8>, into features: UnsafeMutableBufferPointer<Float>) throws(RuntimeError) {
        guard pixels.count == shape.inputBytes, features.count == shape.outputCount else {
            throw .badProgram("it takes \(shape.inputBytes) bytes and gives \(shape.outputCount) numbers")
        }
        try Encoder.check(curricle_run(&encoder, arena.base, pixels.baseAddress, features.baseAddress))
    }

    /// Whether this machine computes what the file's writer did; nil where the file holds no self-test, or this CPU cannot tell.
    package func passesSelfTest() throws(RuntimeError) -> Bool? {
        let output = try Memory(floats: shape.outputCount, purpose: "the self-test")
        let status = curricle_self_test(&encoder, arena.base, output.floats.baseAddress)
        if status == CURRICLE_UNTESTED { return nil }
        if status == CURRICLE_OTHER_RESULT { return false }
        try Encoder.check(status)
        return true
    }

    private static func check(_ status: curricle_status) throws(RuntimeError) {
        guard status == CURRICLE_OK else { throw .badProgram(String(cString: curricle_status_text(status))) }
    }
}
