import Graph
import Tensors

/// A linear head on an encoder, and how fine-tuning treats the encoder's layers.
public struct ClassifierShape: Sendable, Hashable {
    /// C, at least 2.
    public var classes: Int
    /// What the learning rate is multiplied by from one layer to the one before it, 0…1 (MAE, `util/lr_decay.py`).
    public var layerDecay: Float

    public init(classes: Int, layerDecay: Float = 1) {
        self.classes = classes
        self.layerDecay = layerDecay
    }

    /// Have more than one dimension, but no weight decay all the same.
    static let undecayed: Set = ["cls_token", "pos_embed"]

    /// layerDecay^(depth + 1 − layer), where embedding and positions are layer 0, block i is layer i + 1, and what follows is the last.
    func rateScale(of name: String, depth: Int) -> Float {
        let parts = name.split(separator: ".")
        let layer = switch parts[0] {
        case "cls_token", "pos_embed", "patch_embed": 0
        case "blocks": (parts.count > 1 ? Int(parts[1]) ?? depth : depth) + 1
        default: depth + 1
        }
        return (layer..<(depth + 1)).reduce(1) { scale, _ in scale * layerDecay }
    }
}

extension ModelBuilder {
    /// Logits [N, C] of patches [N, L, P]: every token through the encoder, its mean or class token through the head (models_vit.py).
    /// - Parameter dropsPaths: whether residual branches are multiplied by the input `branchScales` [2·depth, N]: for block i, row 2i its
    ///   attention's, row 2i + 1 its MLP's.
    mutating func logits(_ patches: ValueID, dropsPaths: Bool) throws(GraphError) -> ValueID {
        let c = configuration
        let embedded = try graph.append(.prependRow, [linear(patches, "patch_embed.proj"), parameter("cls_token")])[0]
        var x = try graph.append(.add, [embedded, parameter("pos_embed")])[0]
        for i in 0..<c.depth {
            // The first block's branches are never dropped.
            let scales = dropsPaths && i > 0 ? (try branchScale(2 * i), try branchScale(2 * i + 1)) : nil
            x = try block(x, "blocks.\(i)", heads: c.heads, epsilon: c.epsilon, branchScales: scales)
        }
        let pooled: ValueID
        if c.normalizesPooled == true { pooled = try meanOfPatches(x) } else { pooled = try classRow(norm(x, "norm", c.epsilon)) }
        return try linear(pooled, "head")
    }

    private mutating func branchScale(_ branch: Int) throws(GraphError) -> ValueID {
        let all = try graph.append(.input(.branchScales), type: TensorType([1, 2 * configuration.depth, images]))[0]
        return try graph.append(.selectRows(RowSelection(first: branch, count: 1)), [all])[0]
    }

    /// A step of fine-tuning: the mean cross-entropy against the input `targets` [N, C]. Results: `losses` [1], `logits`.
    public mutating func classifierStep(dropsPaths: Bool) throws(GraphError) -> DescribedStep {
        let logits = try logits(patches(), dropsPaths: dropsPaths)
        let targets = try graph.append(.input(.targets), type: TensorType([images, graph.shape(logits).last ?? 0]))[0]
        let loss = try graph.append(.mean, [graph.append(.crossEntropy, [logits, targets])[0]])[0]
        graph.results += [("losses", loss), ("logits", logits)]
        return DescribedStep(graph: graph, loss: loss)
    }

    /// What a classifier says of whole images. Result: `logits` [N, C].
    public mutating func classification() throws(GraphError) -> Graph {
        graph.results.append(("logits", try logits(patches(), dropsPaths: false)))
        return graph
    }
}
