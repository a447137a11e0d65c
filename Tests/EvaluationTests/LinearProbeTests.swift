@testable import Evaluation
@testable import Features
import Foundation
import Testing
import TestSupport

/// What PyTorch computed: tools/make_evaluation_fixtures.py.
struct EvaluationFixture: Decodable {
    struct LARS: Decodable {
        let features: [Float], labels: [Int], width: Int, batch: Int, epochs: Int, warmup: Double, base_rate: Double
        let initial: [Double], orders: [[Int]], weights: [Double], bias: [Double], mean: [Double], variance: [Double]
    }
    struct DINO: Decodable {
        let train: [Float], train_labels: [Int], test: [Float], test_labels: [Int], width: Int, ks: [Int], accuracy: [Double]
    }
    let lars: LARS, dino: DINO

    init() throws {
        self = try JSONDecoder().decode(EvaluationFixture.self, from: Data(contentsOf: URL(fileURLWithPath: fixture("evaluation.json"))))
    }
}

@Suite struct LinearProbeTests {
    @Test func trainsAsPyTorchDoes() throws {
        let f = try EvaluationFixture().lars
        let training = try LabelledFeatures(features: f.features, width: f.width, labels: f.labels)
        let recipe = LinearProbe.Recipe(batchSize: f.batch, epochs: f.epochs, warmupEpochs: f.warmup, rate: f.base_rate * Double(f.batch) / 256)
        let probe = try LinearProbe(training: training, recipe: recipe, initialWeights: f.initial, order: { f.orders[$0] })
        for (ours, theirs) in [(probe.weights, f.weights), (probe.bias, f.bias), (probe.mean, f.mean), (probe.variance, f.variance)] {
            #expect(ours.count == theirs.count)
            #expect(zip(ours, theirs).allSatisfy { abs($0 - $1) < 1e-6 * max(1, abs($1)) }) // features are rounded to Float here
        }
        #expect(zip(probe.weights, f.initial).contains { abs($0 - $1) > 0.003 })
    }

    /// With features that are new in each epoch, each epoch learns from its own: given back to front, classes come out swapped.
    @Test func learnsFromEachEpochsFeatures() throws {
        let labels = (0..<40).map { $0 % 2 }
        func set(_ sign: Float) throws -> LabelledFeatures {
            try LabelledFeatures(features: labels.enumerated().flatMap { [sign * ($0.element == 0 ? 1 : -1) + Float($0.offset % 7) * 0.01, 1] }, width: 2, labels: labels)
        }
        var epochs: [Int] = []
        let recipe = LinearProbe.Recipe(batchSize: 8, epochs: 30, warmupEpochs: 2, rate: 6.4)
        let probe = try LinearProbe(training: set(1), recipe: recipe, again: { epoch in
            epochs.append(epoch)
            return try epoch == 0 ? nil : set(-1)
        })
        #expect(epochs == Array(0..<30))
        #expect(try probe.accuracy(on: set(-1)) == 1)
        #expect(try probe.accuracy(on: set(1)) == 0)
    }

    @Test func separatesWhatIsSeparable() throws {
        var features: [Float] = [], labels: [Int] = []
        for i in 0..<400 {
            let label = i % 4
            labels.append(label * 3)
            for column in 0..<6 { features.append(Float(sin(Double(i * 7 + column))) * 0.2 + (column == label ? 3 : 0)) }
        }
        func part(_ rows: Range<Int>) throws -> LabelledFeatures {
            try LabelledFeatures(features: Array(features[(rows.lowerBound * 6)..<(rows.upperBound * 6)]), width: 6, labels: Array(labels[rows]))
        }
        let probe = try LinearProbe(training: try part(0..<300), recipe: .smallBatch)
        #expect(probe.classes == [0, 3, 6, 9])
        #expect(try probe.accuracy(on: part(300..<400)) == 1)
        let narrow = try LabelledFeatures(features: [1, 2], width: 2, labels: [0])
        #expect(throws: FeaturesError.differentWidths(training: 6, test: 2)) { try probe.accuracy(on: narrow) }
    }
}

@Suite struct CosineNeighboursTests {
    @Test func votesAsDINOv2Does() throws {
        let f = try EvaluationFixture().dino
        let neighbours = CosineNeighbours(training: try LabelledFeatures(features: f.train, width: f.width, labels: f.train_labels))
        let test = try LabelledFeatures(features: f.test, width: f.width, labels: f.test_labels)
        #expect(try neighbours.accuracy(on: test, ks: f.ks) == f.accuracy)
        #expect(Set(f.accuracy).count > 1)
        #expect(throws: FeaturesError.neighbourCount(111, training: 110)) { try neighbours.accuracy(on: test, ks: [111]) }
    }
}

@Suite struct FewShotTests {
    /// Classes far apart are told apart from one example; labels that say nothing are guessed.
    @Test func knowsAndGuesses() throws {
        func set(_ count: Int, phase: Double, informative: Bool) throws -> LabelledFeatures {
            let labels = (0..<count).map { $0 % 8 }
            var features: [Float] = []
            for i in 0..<count {
                for column in 0..<8 {
                    let noise = Float(sin(Double(i * 13 + column * 5) + phase)) * 0.1
                    features.append(informative && column == labels[i] ? noise + 4 : noise)
                }
            }
            return try LabelledFeatures(features: features, width: 8, labels: labels)
        }
        let sure = try FewShot(ways: 5, shots: 1, episodes: 50).run(training: set(160, phase: 0, informative: true), test: set(80, phase: 1, informative: true))
        #expect(sure == FewShot.Result(mean: 1, interval: 0, episodes: 50))
        let blind = try FewShot(ways: 5, shots: 5, episodes: 200).run(training: set(160, phase: 0, informative: false), test: set(80, phase: 1, informative: false))
        #expect(blind.mean < 0.5 && blind.interval > 0)
        #expect(throws: EvaluationError.fewClasses(ways: 9, shots: 1, found: 8)) {
            try FewShot(ways: 9, shots: 1, episodes: 1).run(training: set(160, phase: 0, informative: true), test: set(80, phase: 1, informative: true))
        }
        #expect(throws: EvaluationError.fewClasses(ways: 5, shots: 21, found: 0)) {
            try FewShot(ways: 5, shots: 21, episodes: 1).run(training: set(160, phase: 0, informative: true), test: set(80, phase: 1, informative: true))
        }
    }
}
