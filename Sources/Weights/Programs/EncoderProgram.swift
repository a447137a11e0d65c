import Compiler
import Engine
import Graph
import Models
import Program
import Runtime
import Storage
import Vision

/// An encoder compiled for a fixed number of images a run, ready to be written as a program file: instructions, packed
/// weights, constants, and how pixels become numbers.
public struct EncoderProgram {
    /// Sections as they will lie in the file.
    let header: ProgramHeader
    private let instructions: [UInt8]
    private let scalars: [Float]
    private let constants: [Float]
    private let parameters: UnsafeRawBufferPointer
    /// Holds the parameters.
    private let model: ModelRuntime

    public var fileBytes: Int { header.fileBytes }

    /// - Throws: `LearningError.configuration` for sizes that the format does not take.
    package init(_ model: ModelRuntime, normalization: PixelNormalization, images: Int, pool: FeaturePooling) throws {
        let m = model.configuration
        guard m.channels <= 256, max(m.imageHeight, m.imageWidth) <= PixelImage.maximumSide else {
            throw LearningError.configuration("program files take pictures of up to 256 channels and \(PixelImage.maximumSide) pixels a side")
        }
        try normalization.validate(channels: m.channels)
        let executable = try model.features(images: images, [pool], fromPixels: true), program = executable.program
        self.model = model
        instructions = executable.bytes
        let pixels = normalization.scaleAndShift(channels: m.channels), place = GraphInput.pixelScaleShift.operand.offset / 4
        scalars = Array(repeating: 0, count: place) + pixels.scale + pixels.shift
        constants = model.constants
        parameters = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: model.session.parameters.floats[..<(model.layout.bytes / 4)]))
        var header = ProgramHeader(
            pool: pool, images: images, height: m.imageHeight, width: m.imageWidth, channels: m.channels, rows: pool == .tokens ? m.patches : 1,
            rowWidth: pool == .clsAndMean ? 2 * m.embedWidth : m.embedWidth, instructionCount: program.instructions.count, arenaBytes: program.arenaBytes,
            workspaceBytes: ISA.available.map { executable.workspaceBytes(threads: 1, isa: $0) }.max() ?? 0)
        header.layOut(scalars: scalars.count * 4, constants: constants.count * 4, parameters: parameters.count)
        self.header = header
    }

    /// Writes the file, whole or not at all.
    public func write(to path: String) throws(FileError) {
        var front = [UInt8](repeating: 0, count: header.parameters.offset)
        func place(_ bytes: [UInt8], at offset: Int) { front.replaceSubrange(offset..<(offset + bytes.count), with: bytes) }
        place(header.encoded, at: 0)
        place(instructions, at: header.instructions.offset)
        place(scalars.withUnsafeBytes { Array($0) }, at: header.scalars.offset)
        place(constants.withUnsafeBytes { Array($0) }, at: header.constants.offset)
        let end = [UInt8](repeating: 0, count: header.fileBytes - header.parameters.offset - parameters.count)
        var sum = CRC32C()
        sum.update(Array(front[ProgramHeader.checksumStart...]))
        sum.update(parameters)
        sum.update(end)
        place(withUnsafeBytes(of: sum.value.littleEndian) { Array($0) }, at: ProgramHeader.checksumPlace)

        var file = try DurableFile(replacing: path)
        try file.write(front)
        try file.write(parameters)
        try file.write(end)
        try file.publish()
    }
}
