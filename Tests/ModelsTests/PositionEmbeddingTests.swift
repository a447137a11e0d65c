import Foundation
import CurricleModels
import Testing

@Suite("Position embedding")
struct PositionEmbeddingTests {
    @Test("closed form: column then row, sines then cosines, a zero row first", arguments: [(2, 3, 8), (14, 14, 12), (1, 5, 4)])
    func closedForm(rows: Int, columns: Int, width: Int) {
        let values = positionEmbedding(rows: rows, columns: columns, width: width), quarter = width / 4
        #expect(values.count == (1 + rows * columns) * width)
        #expect(values.prefix(width).allSatisfy { $0 == 0 })
        for row in 0..<rows {
            for column in 0..<columns {
                for d in 0..<width {
                    let coordinate = Double(d < width / 2 ? column : row), k = Double(d % quarter)
                    let angle = coordinate / pow(10000, k / Double(quarter))
                    let expected = d / quarter % 2 == 0 ? sin(angle) : cos(angle)
                    #expect(abs(Double(values[(1 + row * columns + column) * width + d]) - expected) < 1e-6)
                }
            }
        }
    }
}
