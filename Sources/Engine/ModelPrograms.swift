import CurricleCompiler
import CurricleGraph
import CurricleModels
import CurricleProgram
import CurricleTensors

/// What tells one program of a model from another.
package enum ProgramKey: Hashable {
    /// Step A; `weight` is the batch's share of the whole one, where it is a piece.
    case autoencoder(images: Int, StepOptions, Update?, weight: Float = 1, examined: Bool = false)
    case masker(images: Int, StepOptions, Update?, examined: Bool = false)
    /// Step B of a masker that learns from the ranking of step A's errors; `weight` as step A's.
    case ranking(images: Int, StepOptions, Update, weight: Float = 1)
    /// The masker alone: scores, or with an update its backward pass from a given gradient of them.
    case scoring(images: Int, Update?)
    /// Errors of a piece of step B, and the gradient that reaches its scores through them.
    case maskerErrors(images: Int, StepOptions)
    /// Losses of step B on the whole batch's scores and errors, with the gradients of both.
    case maskerLosses(images: Int, StepOptions)
    /// AdamW from stored gradients: of all of the group's floats, or of those that this rank owns.
    case update(ParameterGroup, AdamW, clip: Float?, owned: [Range<Int>]? = nil)
    /// Sums of squares of the stored gradients that this rank owns.
    case squares(ParameterGroup, owned: [Range<Int>])
    /// Features of images, from patches or rgb8 pixels; of whole ones where nothing is said of the patches that are kept.
    case features(images: Int, [FeaturePooling], fromPixels: Bool = false, keeping: KeptPatches? = nil)
    /// A step of fine-tuning.
    case classifier(images: Int, dropsPaths: Bool, Update)
    case classification(images: Int, fromPixels: Bool = false, probabilities: Bool = false)
    /// A block's queries, keys and values.
    case queriesKeysValues(images: Int, layer: Int)
    /// What the blocks' products behind a LayerNorm are of.
    case normalizedInputs(images: Int)

    /// What a person calls it.
    package var title: String {
        switch self {
        case .autoencoder(let images, _, _, let weight, _): weight == 1 ? "Step A" : "Step A on \(images) images"
        case .masker: "Step B"
        case .ranking(let images, _, _, let weight): weight == 1 ? "Step B" : "Step B on \(images) images"
        case .scoring(let images, let update): update == nil ? "Step B scores of \(images) images" : "Step B masker of \(images) images"
        case .maskerErrors(let images, _): "Step B errors of \(images) images"
        case .maskerLosses: "Step B losses"
        case .update(let group, _, _, _): "Update of the \(group.rawValue)"
        case .squares(let group, _): "Squares of the \(group.rawValue)"
        case .features: "Features"
        case .classifier: "Fine-tuning"
        case .classification: "Classification"
        case .queriesKeysValues: "Attention"
        case .normalizedInputs: "Products' inputs"
        }
    }
}

/// The programs of a model, compiled: what a runtime runs, and what a plan is made from without any of its memory.
package struct ModelPrograms {
    package let configuration: ModelConfiguration
    package let parameters: ModelParameters
    package let precision: Precision
    package let layout: ParameterLayout
    /// The most bytes the arena of a training step may have; what has to be computed a second time for that is.
    package let arenaLimit: Int?
    private let pipeline: Pipeline
    package private(set) var constants = ConstantPool()
    /// Positions of the patch tokens [L, D] where the weights bring their own; nil for the fixed sin-cos ones.
    private let encoderPosition: [Float]?

    package init(
        _ configuration: ModelConfiguration, parts: ModelParameters.Parts = .all, masker: any Masker = CurriculumMasker(),
        precision: Precision = .float32, trains: Bool = true, moments: ElementType = .float32, encoderPosition: [Float]? = nil,
        arenaLimit: Int? = nil,
        pipeline: Pipeline = Pipeline()
    ) {
        self.configuration = configuration
        self.precision = precision
        parameters = ModelParameters(configuration, parts: parts, masker: masker, weights: trains ? .float32 : precision.weights)
        layout = ParameterLayout(parameters.parameters)
        self.arenaLimit = arenaLimit
        var pipeline = pipeline
        pipeline.usesBfloat16 = precision == .bfloat16
        pipeline.narrowsMoments = moments == .bfloat16
        self.pipeline = pipeline
        self.encoderPosition = encoderPosition
    }

    package mutating func compile(_ key: ProgramKey) throws(GraphError) -> Program {
        switch key {
        case .autoencoder(let images, let options, let update, let weight, let examined):
            var builder = describe(images)
            let step = try builder.autoencoderStep(options, examined: examined)
            return try compile(step.graph, update.map { Training(.loss(step.loss, weight: weight), .parameters(.autoencoder, $0)) })
        case .masker(let images, let options, let update, let examined):
            var builder = describe(images)
            let step = try builder.maskerStep(options, examined: examined)
            return try compile(step.graph, update.map { Training(.loss(step.loss, weight: 1), .parameters(.masker, $0)) })
        case .ranking(let images, let options, let update, let weight):
            var builder = describe(images)
            let step = try builder.rankingStep(options)
            return try compile(step.graph, Training(.loss(step.loss, weight: weight), .parameters(.masker, update)))
        case .scoring(let images, let update):
            var builder = describe(images)
            let scoring = try builder.scoring()
            return try compile(
                scoring.graph, update.map { Training(.given(scoring.scores, upstream: scoring.upstream), .parameters(.masker, $0)) })
        case .maskerErrors(let images, let options):
            var builder = describe(images)
            let piece = try builder.maskerErrors(options)
            return try compile(piece.graph, Training(.given(piece.errors, upstream: piece.upstream), .inputs([.scores])))
        case .maskerLosses(let images, let options):
            var builder = describe(images)
            let step = try builder.maskerLosses(options)
            return try compile(step.graph, Training(.loss(step.loss, weight: 1), .inputs([.errors, .scores])))
        case .update(let group, let adamw, let clip, let owned):
            let slices = parameters.parameters.filter { $0.group == group }.map { ParameterSlice($0) }
            return try pipeline.compileUpdate(
                group: group, adamw: adamw, clip: clip, slices: slices, owned: owned, layout: layout, constants: &constants)
        case .squares(let group, let owned):
            return try pipeline.compileSquares(group: group, owned: owned, layout: layout, constants: &constants)
        case .features(let images, let pools, let fromPixels, let keeping):
            var builder = describe(images)
            return try compile(builder.features(pools, fromPixels: fromPixels, keeping: keeping), nil)
        case .queriesKeysValues(let images, let layer):
            var builder = describe(images)
            return try compile(builder.queriesKeysValues(layer: layer), nil)
        case .normalizedInputs(let images):
            var builder = describe(images)
            return try compile(builder.normalizedInputs(), nil)
        case .classifier(let images, let dropsPaths, let update):
            var builder = describe(images)
            let step = try builder.classifierStep(dropsPaths: dropsPaths)
            return try compile(step.graph, Training(loss: step.loss, group: .classifier, update: update))
        case .classification(let images, let fromPixels, let probabilities):
            var builder = describe(images)
            return try compile(builder.classification(fromPixels: fromPixels, probabilities: probabilities), nil)
        }
    }

    private func describe(_ images: Int) -> ModelBuilder {
        ModelBuilder(configuration, parameters: parameters, images: images, encoderPosition: encoderPosition)
    }

    private mutating func compile(_ graph: Graph, _ training: Training?) throws(GraphError) -> Program {
        try pipeline.compile(graph, training: training, layout: layout, constants: &constants, arenaLimit: arenaLimit)
    }
}
