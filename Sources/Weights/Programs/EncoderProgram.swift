import CurricleCInstructions
import CurricleCompiler
import CurricleEngine
import CurricleGraph
import CurricleModels
import CurricleProgram
import CurricleRuntime
import CurricleStorage
import CurricleTensors
import CurricleVision

/// An encoder compiled for a fixed number of images a run, ready to be written as a program file: instructions, packed
/// weights, constants, and how pixels become numbers.
package struct EncoderProgram {
    /// Sections as they will lie in the file.
    private(set) var header: ProgramHeader
    private let instructions: [UInt8]
    private let scalars: [Float]
    private let constants: [Float]
    /// Names, each with a zero behind it.
    private let labels: [UInt8]
    private let parameters: UnsafeRawBufferPointer
    /// Holds the parameters.
    private let model: ModelRuntime

    package var fileBytes: Int { header.fileBytes }

    /// - Parameters:
    ///   - output: what a row is; a classifier's needs a model with a head.
    ///   - labels: the names of a classifier's classes; empty for features.
    ///   - keeping: which patches features are of; nil for all.
    /// - Throws: `LearningError.configuration` for sizes that the format does not take.
    package init(
        _ model: ModelRuntime, normalization: PixelNormalization, images: Int, output: ProgramOutput, labels: [ByteName] = [],
        keeping: KeptPatches? = nil
    ) throws {
        let m = model.configuration
        guard m.channels <= 256, max(m.imageHeight, m.imageWidth) <= PixelImage.maximumSide else {
            throw LearningError.configuration(
                "program files take pictures of up to 256 channels and \(PixelImage.maximumSide) pixels a side")
        }
        try normalization.validate(channels: m.channels)
        let executable: Executable, rows: Int, rowWidth: Int
        switch output {
        case .features(let pool):
            executable = try model.features(images: images, [pool], fromPixels: true, keeping: keeping)
            rows = pool == .tokens ? m.patches : 1
            rowWidth = pool == .clsAndMean ? 2 * m.embedWidth : m.embedWidth
        case .logits, .probabilities:
            executable = try model.executable(.classification(images: images, fromPixels: true, probabilities: output == .probabilities))
            (rows, rowWidth) = (1, labels.count)
        }
        let program = executable.program
        self.labels = labels.flatMap { $0.bytes + [0] }
        self.model = model
        instructions = EncoderProgram.fileInstructions(program)
        let pixels = normalization.scaleAndShift(channels: m.channels)
        scalars = Array(repeating: 0, count: EncoderProgram.scaleOffset / ElementType.float32.bytes) + pixels.scale + pixels.shift
        constants = model.constants
        parameters = UnsafeRawBufferPointer(rebasing: model.session.parameters.contents[..<model.layout.bytes])
        var header = ProgramHeader(
            output: output, images: images, height: m.imageHeight, width: m.imageWidth, channels: m.channels, rows: rows,
            rowWidth: rowWidth, instructionCount: program.instructions.count,
            arenaBytes: program.arenaBytes,
            workspaceBytes: try ISA.available.map { try executable.workspaceBytes(threads: 1, isa: $0) }.max() ?? 0)
        header.precision = model.precision
        header.hasNewInstructions = program.instructions.contains { $0.opcode >= Opcode.quantize_rows.rawValue }
        header.arithmetic = Arithmetic.number
        header.writer = "curricle \(Machine.version)"
        header.layOut(
            scalars: scalars.count * ElementType.float32.bytes, constants: constants.count * ElementType.float32.bytes,
            parameters: parameters.count, labels: self.labels.count)
        self.header = header
    }

    /// CRC-32C of what the program makes of the test's input, whose byte i is the high one of (i + 1)·2654435761 mod 2³².
    private func testChecksum() throws -> UInt32 {
        let file = try opened(as: "the program", threads: 1), encoder = file.encoder
        let pixels = (0..<encoder.shape.inputBytes).map {
            UInt8((UInt32(truncatingIfNeeded: $0 + 1) &* 2_654_435_761) >> 24)
        }
        var features = [Float](repeating: 0, count: encoder.shape.outputCount)
        try withExtendedLifetime(file) {  // the encoder refers to its bytes
            try pixels.withUnsafeBufferPointer { pixels in
                try features.withUnsafeMutableBufferPointer { try encoder.run(pixels, into: $0) }
            }
        }
        var sum = CRC32C()
        features.withUnsafeBytes { sum.update($0) }
        return sum.value
    }

    /// Where the pixels' scale and shift stand among a file's scalars.
    private static let scaleOffset = 128
    /// What a program that is written is given.
    static let inputs: [InputName] = [.pixels, .pixelScaleShift]

    /// Instructions as files of version 1 have them, which number the input and its scale on their own.
    private static func fileInstructions(_ program: Program) -> [UInt8] {
        let moved = program.instructions.map { instruction in
            instruction.moved { segment, offset in
                switch program.inputs.indices.first(where: { Segment.given($0).number == segment }).map({ program.inputs[$0].name }) {
                case .pixels: (Int(CURRICLE_FILE_PIXELS), offset)
                case .pixelScaleShift: (Int(CURRICLE_FILE_SCALARS), offset + scaleOffset)
                default: (segment, offset)
                }
            }
        }
        return moved.withUnsafeBytes { Array($0) }
    }

    /// An instruction of a file, with the input and its scale as a program in memory has them.
    static func programInstruction(_ instruction: Instruction) -> Instruction {
        instruction.moved { segment, offset in
            switch segment {
            case Int(CURRICLE_FILE_PIXELS): (Segment.given(0).number, offset)
            case Int(CURRICLE_FILE_SCALARS): (Segment.given(1).number, offset - scaleOffset)
            default: (segment, offset)
            }
        }
    }

    /// Gives the file a self-test, for which the program is run once; not where this CPU has no fused multiply-adds, without which the last
    /// bits are others than everywhere else.
    /// - Throws: `LearningError`, `RuntimeError`.
    package mutating func addSelfTest() throws {
        if ISA.best != .baseline { header.testChecksum = try testChecksum() }
    }

    /// Writes the file, whole or not at all.
    package func write(to path: String) throws(FileError) {
        let (front, end) = around()
        var file = try DurableFile(replacing: path)
        try file.write(front)
        try file.write(parameters)
        try file.write(end)
        try file.publish()
    }

    /// Opens what the file would hold, without one.
    /// - Parameter path: stands for it in errors.
    /// - Throws: `LearningError.file` with the library's reason.
    package func opened(as path: String, threads: Int, isa: ISA? = nil) throws -> ProgramFile {
        let (front, end) = around()
        let contents = front.withUnsafeBytes { front in end.withUnsafeBytes { FileContents([front, parameters, $0]) } }
        return try ProgramFile(contents, path: path, threads: threads, isa: isa)
    }

    /// What stands in the file before the parameters, with the checksum of all, and behind them.
    private func around() -> (front: [UInt8], end: [UInt8]) {
        var front = [UInt8](repeating: 0, count: header.parameters.offset)
        func place(_ bytes: [UInt8], at offset: Int) { front.replaceSubrange(offset..<(offset + bytes.count), with: bytes) }
        place(header.encoded, at: 0)
        place(instructions, at: header.instructions.offset)
        place(scalars.withUnsafeBytes { Array($0) }, at: header.scalars.offset)
        place(constants.withUnsafeBytes { Array($0) }, at: header.constants.offset)
        var end = [UInt8](repeating: 0, count: header.fileBytes - header.parameters.offset - parameters.count)
        if !labels.isEmpty {
            let place = header.labels.offset - header.parameters.offset - parameters.count
            end.replaceSubrange(place..<(place + labels.count), with: labels)
        }
        var sum = CRC32C()
        sum.update(Array(front[ProgramHeader.checksumStart...]))
        sum.update(parameters)
        sum.update(end)
        place(withUnsafeBytes(of: sum.value.littleEndian) { Array($0) }, at: ProgramHeader.checksumPlace)
        return (front, end)
    }
}
