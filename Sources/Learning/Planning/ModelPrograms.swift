import Compiler
import Graph
import Models
import Program

/// What tells one program of a model from another.
enum ProgramKey: Hashable {
    case autoencoder(images: Int, StepOptions, Update?, examined: Bool)
    case masker(images: Int, StepOptions, Update?, examined: Bool)
    case update(ParameterGroup, AdamW, clip: Float?)
    case features(images: Int, cls: Bool, mean: Bool)
}

/// The programs of a model, compiled: what a runtime runs, and what a plan is made from without any of its memory.
struct ModelPrograms {
    let configuration: ModelConfiguration
    let parameters: ModelParameters
    let layout: ParameterLayout
    /// The most bytes the arena of a training step may have; what has to be computed a second time for that is.
    let arenaLimit: Int?
    private let pipeline: Pipeline
    private(set) var constants = ConstantPool()
    /// Positions of the patch tokens [L, D] where the weights bring their own; nil for the fixed sin-cos ones.
    private let encoderPosition: [Float]?

    init(
        _ configuration: ModelConfiguration, parts: ModelParameters.Parts = .all, encoderPosition: [Float]? = nil, arenaLimit: Int? = nil,
        pipeline: Pipeline = Pipeline()
    ) {
        self.configuration = configuration
        parameters = ModelParameters(configuration, parts: parts)
        layout = ParameterLayout(parameters.parameters)
        self.arenaLimit = arenaLimit
        self.pipeline = pipeline
        self.encoderPosition = encoderPosition
    }

    mutating func compile(_ key: ProgramKey) throws(GraphError) -> Program {
        switch key {
        case .autoencoder(let images, let options, let update, let examined):
            var builder = ModelBuilder(configuration, parameters: parameters, images: images)
            let step = try builder.autoencoderStep(options, examined: examined)
            let training = update.map { Training(loss: step.loss, group: .autoencoder, update: $0) }
            return try pipeline.compile(step.graph, training: training, layout: layout, constants: &constants, arenaLimit: arenaLimit)
        case .masker(let images, let options, let update, let examined):
            var builder = ModelBuilder(configuration, parameters: parameters, images: images)
            let step = try builder.maskerStep(options, examined: examined)
            let training = update.map { Training(loss: step.loss, group: .masker, update: $0) }
            return try pipeline.compile(step.graph, training: training, layout: layout, constants: &constants, arenaLimit: arenaLimit)
        case .update(let group, let adamw, let clip):
            let slices = parameters.parameters.filter { $0.group == group }.map { ParameterSlice($0) }
            return try pipeline.compileUpdate(group: group, adamw: adamw, clip: clip, slices: slices, layout: layout)
        case .features(let images, let cls, let mean):
            var builder = ModelBuilder(configuration, parameters: parameters, images: images, encoderPosition: encoderPosition)
            let graph = try builder.features(cls: cls, mean: mean)
            return try pipeline.compile(graph, layout: layout, constants: &constants)
        }
    }
}
