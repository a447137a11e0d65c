import CurricleCompiler
import CurricleGraph
import CurricleRuntime
import CurricleTensors
import Testing
import CurricleVision
@testable import CurricleFeatures

/// Patches are made twice, on purpose: by Swift in the loader, by C in programs that take pixels. Both give the same bits.
struct PatchifyTwinsTests {
    @Test("same bits", arguments: ISA.available, [(12, 18, 6, 3), (14, 7, 7, 1), (28, 42, 14, 3), (16, 32, 16, 4), (8, 8, 2, 2)])
    func sameBits(isa: ISA, sizes: (height: Int, width: Int, patch: Int, channels: Int)) throws {
        let grid = PatchGrid(imageHeight: sizes.height, imageWidth: sizes.width, patchSize: sizes.patch, channels: sizes.channels)
        let normalization = PixelNormalization(
            mean: (0..<sizes.channels).map { 0.485 - 0.03 * Float($0) }, std: (0..<sizes.channels).map { 0.229 + 0.01 * Float($0) })
        let image = PixelImage(
            width: sizes.width, height: sizes.height, channels: sizes.channels,
            pixels: (0..<(sizes.height * sizes.width * sizes.channels)).map { UInt8(truncatingIfNeeded: $0 * 73 + $0 / 7) })
        var ours = [Float](repeating: 0, count: grid.count * grid.patchWidth)
        ours.withUnsafeMutableBufferPointer { patchify(image, grid: grid, normalization: normalization, into: $0) }

        var graph = Graph()
        let pixels = try graph.append(.input(.pixels), type: TensorType([1, sizes.height, sizes.width, sizes.channels], .uint8))[0]
        let scale = try graph.append(.input(.pixelScaleShift), type: TensorType([2, sizes.channels]))[0]
        graph.results.append(("patches", try graph.append(.patchify(patch: sizes.patch), [pixels, scale])[0]))
        var constants = ConstantPool()
        let program = try Pipeline().compile(graph, layout: ParameterLayout([]), constants: &constants)
        let session = try Session(parameterBytes: 0, trains: false, threads: 2, isa: isa)
        let executable = try session.prepare(program)
        let numbers = normalization.scaleAndShift(channels: sizes.channels)
        let scaleShift = RunInputs.Tensor.numbers(numbers.scale + numbers.shift)
        _ = try image.pixels.withUnsafeBytes { try session.run(executable, [.pixels: .memory($0), .pixelScaleShift: scaleShift]) }
        let theirs = session.result(try program.result("patches"))
        #expect(theirs.map(\.bitPattern) == ours.map(\.bitPattern))
    }
}
