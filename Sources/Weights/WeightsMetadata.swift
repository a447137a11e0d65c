import CurricleModels
import CurricleRuntime
import CurricleVision

/// What a reader of a weights file must know of its model, as the file's metadata carry it.
package struct WeightsMetadata {
    /// Sizes and heads (`curricle.model`).
    package var model: ModelConfiguration
    /// Mean and deviation of the pixels that the model takes (`curricle.pixels`).
    package var normalization: PixelNormalization
    /// As it was pretrained (`StepOptions.declared`); nil where it was not.
    package var step: StepOptions?
    /// A classifier's classes (`curricle.classes`, a JSON array); nil for other models.
    package var classes: [String]?

    /// What a classifier's head is on, where that is not what is fine-tuned (`curricle.head`).
    package var head: FeaturePooling?

    package static let headKey = "curricle.head"
    package static let classesKey = "curricle.classes"
    /// What says how the weights were trained: it stays true of a copy of them.
    package static let trainingKeys = StepOptions.metadataKeys + [classesKey, headKey]

    package init(
        model: ModelConfiguration, normalization: PixelNormalization, step: StepOptions? = nil, classes: [String]? = nil,
        head: FeaturePooling? = nil
    ) {
        self.model = model
        self.normalization = normalization
        self.step = step
        self.classes = classes
        self.head = head
    }

    package var entries: [String: String] {
        var entries = [
            "format": "pt", "curricle.version": Machine.version, "curricle.model": WeightsFile.json(model),
            "curricle.pixels": WeightsFile.json(normalization)
        ]
        if let step { entries.merge(step.metadata) { $1 } }
        if let classes { entries[WeightsMetadata.classesKey] = WeightsFile.json(classes) }
        if let head { entries[WeightsMetadata.headKey] = head.rawValue }
        return entries
    }
}
