import CurricleEngine
import CurricleModels
import CurricleRuntime
import CurricleWeights

extension ModelRuntime {
    /// Fills a classifier from a checkpoint: all of the encoder, its positions brought to the model's grid; its last norm on the mean where
    /// the checkpoint has one, and its head where that has the same classes and was trained on the same kind of features.
    /// - Returns: what keeps its initial values, for a person to read.
    /// - Throws: `LearningError.file` naming what the encoder lacks, or a tensor of a wrong shape with both shapes.
    /// - Parameters:
    ///   - pool: what this model's head is on, where that is not what is fine-tuned.
    ///   - takesHead: whether the file's head is wanted.
    func loadClassifier(_ file: Checkpoint, pool: FeaturePooling? = nil, takesHead: Bool = true) throws -> [String] {
        var fresh: [String] = []
        try WeightsFile.requireAll(parameters.all.filter { !$0.isOptional }, in: file)
        // A head was trained on features as these only where the last norm before it is in the file too.
        let fits = try takesHead && FinetuneSettings.head(of: file) == pool
        let hasHead =
            fits
            && parameters.all.allSatisfy { parameter in
                switch (parameter.part, parameter.initialValue) {
                case (.head, _): file.shape(of: parameter.parameter.name) == parameter.referenceShape
                case (_, .positions): true
                default: file.shape(of: parameter.parameter.name) != nil
                }
            }
        for parameter in parameters.all {
            let name = parameter.parameter.name
            let values: [Float]? =
                switch (parameter.part, parameter.initialValue) {
                case (.head, _): hasHead ? try file.floats(name) : nil
                case (_, .positions):
                    try WeightsFile.encoderPosition(file, configuration).map { Array(repeating: 0, count: configuration.embedWidth) + $0 }
                default: file.shape(of: name) == nil ? nil : try WeightsFile.values(file, name, parameter)
                }
            if let values { set(parameter, in: session.parameters, values) } else { fresh.append(name) }
        }
        return fresh
    }
}
