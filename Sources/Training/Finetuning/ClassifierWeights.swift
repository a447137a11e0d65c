import Engine
import Models
import Runtime
import Weights

extension ModelRuntime {
    /// Fills a classifier from a checkpoint: all of the encoder, its positions brought to the model's grid; its last norm on the mean where the
    /// checkpoint has one, and its head where that has the same classes and was trained on the same kind of features.
    /// - Returns: what keeps its initial values, for a person to read.
    /// - Throws: `LearningError.file` naming what the encoder lacks, or a tensor of a wrong shape with both shapes.
    func loadClassifier(_ file: Checkpoint) throws -> [String] {
        var fresh: [String] = []
        /// What a pretrained encoder need not have.
        func isOptional(_ name: String) -> Bool { name.hasPrefix("head.") || name.hasPrefix("fc_norm.") || name == "pos_embed" }
        try WeightsFile.requireAll(parameters.all.filter { !isOptional($0.parameter.name) }, in: file)
        let isTrained = { (name: String) in self.parameters[name] == nil || file.shape(of: name) != nil }
        let hasHead = isTrained("fc_norm.weight") && parameters.all.allSatisfy { !$0.parameter.name.hasPrefix("head.") || file.shape(of: $0.parameter.name) == $0.referenceShape }
        for parameter in parameters.all {
            let name = parameter.parameter.name
            let values: [Float]?
            switch name {
            case "pos_embed":
                values = try WeightsFile.encoderPosition(file, configuration).map { Array(repeating: 0, count: configuration.embedWidth) + $0 }
            case "head.weight", "head.bias": values = hasHead ? try file.floats(name) : nil
            default: values = file.shape(of: name) == nil ? nil : try WeightsFile.values(file, name, parameter)
            }
            if let values { set(parameter, in: session.parameters, values) } else { fresh.append(name) }
        }
        return fresh
    }
}
