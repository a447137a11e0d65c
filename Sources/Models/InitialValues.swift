import Foundation
import CurricleRandomness

extension ModelParameter {
    /// Initial values as its layer declares them; Xavier's are uniform within √(6 / (in + out)), the patch embedding's as a matrix's
    /// (models_mae.py, `initialize_weights`). A function of (seed, name) alone.
    package func initialValues(seed: UInt64) -> [Float] {
        let count = parameter.shape.reduce(1, *)
        switch initialValue {
        case .zeros: return Array(repeating: 0, count: count)
        case .ones: return Array(repeating: 1, count: count)
        case .xavier:
            let bound = (6 / Double(parameter.shape[0] + parameter.shape[1])).squareRoot()
            return Philox.uniforms(count, bound: Float(bound), seed: seed, stream: (nameHash, 1, 0))
        case .normal(let deviation):
            var random = Philox(seed: seed, stream: (nameHash, 1, 0))
            return (0..<count).map { _ in Float(deviation * random.normal()) }
        case .positions(let rows, let columns):
            return positionEmbedding(rows: rows, columns: columns, width: count / (1 + rows * columns))
        }
    }

    /// FNV-1a of the name, 32 bits.
    private var nameHash: UInt32 {
        parameter.name.utf8.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    }
}

/// Fixed 2-D sin-cos position embedding (models_mae.py, `get_2d_sincos_pos_embed`): `[1 + rows·columns, width]`, a zero
/// row for the class token; the first half of a row encodes the column, the second the row, each as sines then cosines
/// of the coordinate over 10000^(k/(width/4)).
package func positionEmbedding(rows: Int, columns: Int, width: Int) -> [Float] {
    let quarter = width / 4
    let frequencies = (0..<quarter).map { pow(10000, -Double($0) / Double(quarter)) }
    var out = [Float](repeating: 0, count: width)
    out.reserveCapacity((1 + rows * columns) * width)
    for row in 0..<rows {
        for column in 0..<columns {
            for coordinate in [Double(column), Double(row)] {
                out += frequencies.map { Float(sin(coordinate * $0)) }
                out += frequencies.map { Float(cos(coordinate * $0)) }
            }
        }
    }
    return out
}
