import CurricleCompiler
import CurricleEngine
import CurricleGraph
import CurricleRuntime
import CurricleTensors

extension GoldenTrace {
    /// The trace's programs as files with their inputs and what this machine computes from them, for a C program to replay on
    /// another one (CSupport/tests/test_program.c): step A and step B with their gradients, and the features.
    /// - Parameter isa: one with fused multiply-adds gives the bits of every other such ISA.
    package func programs(threads: Int, isa: ISA) throws -> [(name: String, bytes: [UInt8])] {
        let model = try ModelRuntime(configuration, trains: true, threads: threads, isa: isa)
        try loadParameters(into: model)
        let patches = try patchBatch()
        defer { patches.deallocate() }
        let batch = UnsafeRawBufferPointer(patches)
        let patchesGiven = RunInputs.Tensor.memory(batch), factor = RunInputs.Tensor.numbers([Float(curriculum)])
        let a = try model.autoencoderStep(images: self.batch, options, update: .expose, examined: true)
        let b = try model.maskerStep(images: self.batch, options, update: .expose, examined: true)
        let f = try model.features(images: self.batch)
        return [
            ("step-a", try model.session.saved(a, [.patches: patchesGiven])),
            ("step-b", try model.session.saved(b, [.patches: patchesGiven, .curriculum: factor])),
            ("features", try model.session.saved(f, [.patches: patchesGiven]))
        ]
    }
}
