import CurricleGraph

extension Graph {
    /// Products whose weights are bytes take their rows as bytes; those of one value are made once. Elementwise work was fused before: it
    /// stays float32.
    func quantizingRows() throws(GraphError) -> Graph {
        try rewritten { (node, inputs, new, _) throws(GraphError) in
            guard case .linear = node.operation, new.type(inputs[1]).element == .int8, new.type(inputs[0]).layout == .rows else {
                return nil
            }
            let rows = try new.append(.quantizeRows, [inputs[0]])[0]
            return try new.append(node.operation, [rows] + inputs.dropFirst())
        }
    }
}
