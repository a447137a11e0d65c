import Foundation

/// Query, key and value of attention, from a packed qkv [N, T, 3D] or from query [N, Q, D] and key-value [N, T, 2D].
struct AttentionOperands {
    let tensors: [Tensor]
    let images: Int, queries: Int, tokens: Int, heads: Int, width: Int

    init(_ tensors: [Tensor], heads: Int) {
        self.tensors = tensors
        self.heads = heads
        images = tensors[0].shape[0]
        queries = tensors[0].shape[1]
        tokens = tensors.count == 1 ? queries : tensors[1].shape[1]
        width = tensors.count == 1 ? tensors[0].width / 3 : tensors[0].width
    }

    var packed: Bool { tensors.count == 1 }
    var headWidth: Int { width / heads }
    var scale: Double { 1 / Double(headWidth).squareRoot() }

    /// Index into y or dy [N, Q, D].
    func queryAt(_ image: Int, _ i: Int, _ head: Int, _ d: Int) -> Int { (image * queries + i) * width + head * headWidth + d }

    func query(_ n: Int, _ i: Int, _ h: Int, _ d: Int) -> Double { tensors[0][n * queries + i, h * headWidth + d] }
    func key(_ n: Int, _ j: Int, _ h: Int, _ d: Int) -> Double { keyValue(n * tokens + j, keyColumn(h, d)) }
    func value(_ n: Int, _ j: Int, _ h: Int, _ d: Int) -> Double { keyValue(n * tokens + j, keyColumn(h, d) + width) }

    func keyColumn(_ head: Int, _ d: Int) -> Int { (packed ? width : 0) + head * headWidth + d }
    private func keyValue(_ row: Int, _ column: Int) -> Double { tensors[packed ? 0 : 1][row, column] }

    /// softmax of one query's scores over the keys, and the logarithm of their sum of exponentials.
    func probabilities(_ image: Int, _ head: Int, _ i: Int) -> ([Double], Double) {
        let scores = (0..<tokens).map { j in
            (0..<headWidth).reduce(0.0) { $0 + query(image, i, head, $1) * key(image, j, head, $1) } * scale
        }
        let most = scores.reduce(-.infinity, Double.maximum)
        let exponentials = scores.map { exp($0 - most) }
        let sum = exponentials.reduce(0, +)
        return (exponentials.map { $0 / sum }, most + log(sum))
    }

    var zeros: AttentionGradients { AttentionGradients(tensors: tensors.map { Array(repeating: 0, count: $0.values.count) }) }
}

/// Gradients of attention's operands, shaped as those.
struct AttentionGradients {
    var tensors: [[Double]]
    typealias Place = (image: Int, row: Int, head: Int, d: Int)

    mutating func add(_ x: Double, toQuery p: Place, _ a: AttentionOperands) {
        tensors[0][(p.image * a.queries + p.row) * a.tensors[0].width + p.head * a.headWidth + p.d] += x
    }
    mutating func add(_ x: Double, toKey p: Place, _ a: AttentionOperands) {
        let which = a.packed ? 0 : 1
        tensors[which][(p.image * a.tokens + p.row) * a.tensors[which].width + a.keyColumn(p.head, p.d)] += x
    }
    mutating func add(_ x: Double, toValue p: Place, _ a: AttentionOperands) {
        let which = a.packed ? 0 : 1
        tensors[which][(p.image * a.tokens + p.row) * a.tensors[which].width + a.keyColumn(p.head, p.d) + a.width] += x
    }
}
