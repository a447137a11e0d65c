import CurricleEngine
import Foundation
import CurricleModels
import CurricleProgram
import CurricleRuntime
import CurricleSettings
import CurricleStorage
import CurricleTensors
import CurricleVision

/// A program file in memory, opened by the library that devices run.
package final class ProgramFile {
    package let path: String
    package let encoder: Encoder
    /// What a row is.
    package let output: ProgramOutput
    /// The names of a classifier's classes; empty for features.
    package let labels: [ByteName]
    package var precision: Precision { header.precision }
    let header: ProgramHeader
    /// Of everything behind it in the file.
    package var checksum: UInt32 { header.checksum }
    private let contents: FileContents

    /// Whether a file begins as program files do.
    /// - Throws: `FileError` where it cannot be read.
    package static func isProgram(_ path: String) throws(FileError) -> Bool {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue { return false }
        let file = try FileReader(path: path)
        return try file.read(0..<min(8, file.count)) == Array("CURRICLE".utf8)
    }

    /// - Parameter isa: nil for the best of this CPU.
    /// - Throws: `FileError`, or `LearningError.file` with the library's reason.
    package convenience init(path: String, threads: Int, isa: ISA? = nil, verifiesChecksum: Bool = true) throws {
        let contents = try FileReader(path: path).contents()
        try self.init(contents, path: path, threads: threads, isa: isa, verifiesChecksum: verifiesChecksum)
    }

    /// - Parameter path: stands for the contents in errors.
    init(_ contents: FileContents, path: String, threads: Int, isa: ISA?, verifiesChecksum: Bool = true) throws {
        guard contents.count > 0 else { throw LearningError.file(path: path, reason: "is empty") }
        do throws(RuntimeError) {
            encoder = try contents.withBytes { bytes throws(RuntimeError) in
                try Encoder(bytes: bytes, threads: threads, isa: isa, verifiesChecksum: verifiesChecksum)
            }
        } catch {
            guard case .badProgram(let reason) = error else { throw error }
            throw LearningError.file(path: path, reason: Message(reason))
        }
        guard let header = contents.withBytes({ ProgramHeader($0) }) else {
            throw LearningError.file(path: path, reason: "its header cannot be read")
        }
        self.path = path
        self.contents = contents
        self.header = header
        output = header.output
        labels = contents.withBytes { bytes in
            let range = header.labels.offset..<(header.labels.offset + header.labels.bytes)
            return bytes[range].split(separator: 0, omittingEmptySubsequences: false).dropLast().map { ByteName(Array($0)) }
        }
    }

    /// What is in it, for people: a line a fact.
    package var summary: [(name: String, value: String)] {
        let h = header, s = encoder.shape
        let pixels = pixelNumbers()
        return [
            ("format", "version \(h.version), checksum \(TensorFile.checksumText(h.checksum))"),
            ("precision", h.precision.rawValue),
            ("file", "\(h.fileBytes) bytes" + (h.writer.isEmpty ? "" : ", by \(h.writer.debugDescription), arithmetic \(h.arithmetic)")),
            ("input", "rgb8 [\(s.images), \(s.height), \(s.width), \(s.channels)], patches of \(s.patch)"),
            ("pixels", "x · scale + shift, scale \(pixels.scale), shift \(pixels.shift)"),
            ("output", "float32 [\(s.images), \(s.rows), \(s.rowWidth)]: " + description(of: h.output)),
            ("instructions", "\(h.instructionCount) at \(h.instructions.offset), \(h.instructions.bytes) bytes"),
            ("scalars", "at \(h.scalars.offset), \(h.scalars.bytes) bytes"),
            ("constants", "at \(h.constants.offset), \(h.constants.bytes) bytes"),
            ("weights", "at \(h.parameters.offset), \(h.parameters.bytes) bytes"),
            ("self-test", h.testChecksum.map { TensorFile.checksumText($0) } ?? "none"),
            ("arena", "\(h.arenaBytes) bytes, with a thread's scratch \(encoder.arenaBytes) (\(encoder.isa))"),
            ("work", "\((encoder.flops * 1e-7).rounded() / 100) GFLOP a run")
        ]
    }

    package var instructions: [Instruction] {
        let range = header.instructions.offset..<(header.instructions.offset + header.instructions.bytes)
        return contents.withBytes { bytes in Executable.decode(UnsafeRawBufferPointer(rebasing: bytes[range])) }
    }

    /// The program, a line an instruction.
    package var instructionTexts: [String] {
        let c = encoder.shape
        let types = [TensorType([c.images, c.height, c.width, c.channels], .uint8), TensorType([2, c.channels])]
        let inputs = zip(EncoderProgram.inputs, types).map { GivenPlace(name: $0, type: $1) }
        return instructions.map { EncoderProgram.programInstruction($0).text(inputs) }
    }

    private func description(of output: ProgramOutput) -> String {
        switch output {
        case .features(.cls): "the class token"
        case .features(.mean): "the mean of the patch tokens"
        case .features(.clsAndMean): "the class token, then the mean of the patch tokens"
        case .features(.tokens): "the patch tokens"
        case .logits: "logits of the classes " + named
        case .probabilities: "probabilities of the classes " + named
        }
    }

    private var named: String { labels.prefix(8).map { "\($0)" }.joined(separator: ", ") + (labels.count > 8 ? " …" : "") }

    private func pixelNumbers() -> (scale: [Float], shift: [Float]) {
        let channels = encoder.shape.channels, count = header.scalars.bytes / MemoryLayout<Float>.size
        let numbers = contents.withBytes { bytes in
            (0..<count).map {
                Float(
                    bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: header.scalars.offset + 4 * $0, as: UInt32.self)))
            }
        }
        return (Array(numbers.suffix(2 * channels).prefix(channels)), Array(numbers.suffix(channels)))
    }
}
