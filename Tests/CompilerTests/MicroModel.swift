import CurricleGraph
import CurricleModels
import CurricleProgram
import CurricleTestSupport
@testable import CurricleCompiler

/// A CL-MAE of 4×4 patches with odd widths, and its two steps.
struct MicroModel {
    static let configuration = ModelConfiguration(
        imageHeight: 16, imageWidth: 16, patchSize: 4, embedWidth: 20, depth: 2, heads: 5,
        decoderWidth: 12, decoderDepth: 2, decoderHeads: 3, maskerDepth: 2, maskerHeads: 2, mlpRatio: 2)
    static let images = 3

    enum Step: String, CaseIterable, Sendable { case autoencoder, masker }

    let step: Step
    let graph: Graph
    let loss: ValueID
    let given: GivenTensors

    init(
        _ step: Step, _ c: ModelConfiguration = configuration, images: Int = images,
        options: StepOptions = StepOptions(normalizedTargets: true)
    ) throws {
        self.step = step
        let parameters = ModelParameters(c)
        var builder = ModelBuilder(c, parameters: parameters, images: images)
        let described = step == .autoencoder ? try builder.autoencoderStep(options) : try builder.maskerStep(options)
        graph = described.graph
        loss = described.loss
        var given = GivenTensors(drawing: parameters.parameters, seed: 11)
        given.drawPatches(images * c.patches * c.patchWidth, seed: 12)
        given.inputs[.curriculum] = [0.6]
        given.inputs[.step] = [1e-3, 1e-2, 4.5, 1]
        self.given = given
    }

    var group: ParameterGroup { step == .autoencoder ? .autoencoder : .masker }
    var layout: ParameterLayout { ParameterLayout(given.parameters.map(\.parameter)) }

    func training(_ update: Update) -> Training { Training(loss: loss, group: group, update: update) }

    func program(_ update: Update = .immediate(AdamW()), _ pipeline: Pipeline = Pipeline()) throws -> Program {
        var pool = ConstantPool()
        return try pipeline.compile(graph, training: training(update), layout: layout, constants: &pool)
    }
}
