import CurricleGraph
import CurricleTensors

/// A linear head on an encoder, and how fine-tuning treats the encoder's layers.
package struct ClassifierShape: Sendable, Hashable {
    /// C, at least 2.
    package var classes: Int
    /// What the learning rate is multiplied by from one layer to the one before it, 0…1 (MAE, `util/lr_decay.py`).
    package var layerDecay: Float
    /// What the head is on: a vector an image. Nil for what is fine-tuned: the class token, or the mean where the model normalises that.
    package var pool: FeaturePooling?

    package init(classes: Int, layerDecay: Float = 1, pool: FeaturePooling? = nil) {
        self.classes = classes
        self.layerDecay = layerDecay
        self.pool = pool
    }

    /// layerDecay^(depth + 1 − layer): embedding and positions are layer 0, block i is layer i + 1, what follows (nil) is the last.
    func rateScale(layer: Int?, depth: Int) -> Float {
        ((layer ?? depth + 1)..<(depth + 1)).reduce(1) { scale, _ in scale * layerDecay }
    }
}

extension ModelBuilder {
    /// Logits [N, C] of patches [N, L, P]: every token through the encoder, its mean or class token through the head (models_vit.py).
    mutating func logits(_ patches: ValueID, dropsPaths: Bool) throws(GraphError) -> ValueID {
        try head(encoder(tokens(patches), dropsPaths: dropsPaths))
    }

    /// Logits [N, C] of the encoder's output [N, 1 + L, D].
    mutating func head(_ x: ValueID) throws(GraphError) -> ValueID {
        guard let classifier else { throw GraphError(operation: "head", problem: "is not of this model") }
        let pooled = try pooled(x, classifier.pool ?? (c.normalizesPooled == true ? .mean : .cls))
        // Nearly zeros at first (main_finetune.py).
        return try scope(part: .head, isOptional: true) { m throws(GraphError) in
            try m.linear(pooled, "head", to: classifier.classes, weight: .normal(2e-5))
        }
    }

    /// A step of fine-tuning: the mean cross-entropy against the input `targets` [N, C]. Results: `losses` [1], `logits`.
    package mutating func classifierStep(dropsPaths: Bool) throws(GraphError) -> DescribedStep {
        let logits = try logits(patches(), dropsPaths: dropsPaths)
        let targets = try graph.append(.input(.targets), type: TensorType([images, graph.shape(logits).last ?? 0]))[0]
        let loss = try graph.append(.mean, [graph.append(.crossEntropy, [logits, targets])[0]])[0]
        graph.results += [("losses", loss), ("logits", logits)]
        return DescribedStep(graph: graph, loss: loss)
    }

    /// What a classifier says of whole images. Result: `logits` [N, C], or their softmax, `probabilities`.
    /// - Parameter fromPixels: the batch is rgb8.
    package mutating func classification(fromPixels: Bool = false, probabilities: Bool = false) throws(GraphError) -> Graph {
        let logits = try logits(fromPixels ? patchesOfPixels() : patches(), dropsPaths: false)
        graph.results.append(probabilities ? ("probabilities", try graph.append(.softmax, [logits])[0]) : ("logits", logits))
        return graph
    }
}
