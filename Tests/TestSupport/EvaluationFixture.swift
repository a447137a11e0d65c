import Foundation

/// What PyTorch computed: tools/make_evaluation_fixtures.py.
package struct EvaluationFixture: Decodable {
    package struct LARS: Decodable {
        package let features: [Float], labels: [Int], width: Int, batch: Int, epochs: Int, warmup: Double, base_rate: Double
        package let initial: [Double], orders: [[Int]], weights: [Double], bias: [Double], mean: [Double], variance: [Double]
    }
    package struct DINO: Decodable {
        package let train: [Float], train_labels: [Int], test: [Float], test_labels: [Int], width: Int, ks: [Int], accuracy: [Double]
    }
    package let lars: LARS, dino: DINO

    package init() throws {
        self = try JSONDecoder().decode(EvaluationFixture.self, from: Data(contentsOf: URL(fileURLWithPath: fixture("evaluation.json"))))
    }
}
