import CurricleCompiler
import CurricleGraph
import CurricleModels
import CurricleProgram
import CurricleRuntime
import CurricleTestSupport

/// Steps A and B of a small model with odd sizes, as programs over one session: what a trainer runs, in a few lines.
struct TwoSteps {
    static let configuration = ModelConfiguration(
        imageHeight: 42, imageWidth: 42, patchSize: 6, embedWidth: 40, depth: 2, heads: 5,
        decoderWidth: 36, decoderDepth: 2, decoderHeads: 3, maskerDepth: 2, maskerHeads: 4)
    static let images = 3

    let parameters = ModelParameters(configuration)
    let layout: ParameterLayout
    let given: GivenTensors
    let constants: ConstantPool
    /// Step A and step B.
    let programs: [Program]

    init(update: Update, options: StepOptions = StepOptions(normalizedTargets: true), guardBytes: Int = 0) throws {
        layout = ParameterLayout(parameters.parameters)
        var given = GivenTensors(drawing: parameters.parameters, seed: 21)
        given.drawPatches(Self.images * Self.configuration.patches * Self.configuration.patchWidth, seed: 22)
        given.inputs[.curriculum] = [0.3]
        given.inputs[.step] = [1e-3, 1e-2, 4.5, 1]
        self.given = given
        var pool = ConstantPool()
        var a = ModelBuilder(Self.configuration, parameters: parameters, images: Self.images), b = a
        let stepA = try a.autoencoderStep(options), stepB = try b.maskerStep(options)
        var pipeline = Pipeline()
        pipeline.guardBytes = guardBytes
        programs = [
            try pipeline.compile(
                stepA.graph, training: Training(loss: stepA.loss, group: .autoencoder, update: update), layout: layout, constants: &pool),
            try pipeline.compile(
                stepB.graph, training: Training(loss: stepB.loss, group: .masker, update: update), layout: layout, constants: &pool)
        ]
        constants = pool
    }

    /// A session with the parameters in place, and the programs made ready in it.
    func session(isa: ISA, threads: Int) throws -> (session: Session, executables: [Executable]) {
        let session = try Session(parameterBytes: layout.bytes, trains: true, storesGradients: true, threads: threads, isa: isa)
        for (parameter, values) in given.parameters {
            let start = layout.offset(of: parameter.name)! / 4
            for (i, x) in PanelOrder(shape: parameter.shape, sections: parameter.sections).packed(values).enumerated() {
                session.parameters.floats[start + i] = x
            }
        }
        return (session, try programs.map { try session.prepare($0, constants: constants.values) })
    }

    /// One run over the batch.
    func run(_ session: Session, _ executable: Executable) throws -> RunStatus { try given.run(executable, in: session) }

    /// The programs of an update, for tests that only look at them; empty where they cannot be compiled.
    static func programs(update: Update) -> [Program] { (try? TwoSteps(update: update).programs) ?? [] }

    /// Features from pixels and updates from stored gradients: instructions that steps do not have.
    static func otherPrograms() -> [Program] {
        let parameters = ModelParameters(configuration), layout = ParameterLayout(parameters.parameters)
        var pool = ConstantPool(), builder = ModelBuilder(configuration, parameters: parameters, images: 2)
        let slices = parameters.parameters.filter { $0.group == .masker }.map { ParameterSlice($0) }
        guard let features = try? builder.features(fromPixels: true),
            let extraction = try? Pipeline().compile(features, layout: layout, constants: &pool),
            let update = try? Pipeline().compileUpdate(
                group: .masker, adamw: AdamW(), clip: 1, slices: slices, layout: layout, constants: &pool)
        else { return [] }
        return [extraction, update]
    }
}
