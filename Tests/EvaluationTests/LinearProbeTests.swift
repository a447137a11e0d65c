import Foundation
import CurricleTestSupport
import Testing
@testable import CurricleEvaluation
@testable import CurricleFeatures

@Suite struct LinearProbeTests {
    @Test("trains as py PyTorch does") func trainsAsPyTorchDoes() throws {
        let f = try EvaluationFixture().lars
        let training = try LabelledFeatures(features: f.features, width: f.width, labels: f.labels)
        let recipe = LinearProbe.Recipe(
            batchSize: f.batch, epochs: f.epochs, warmupEpochs: f.warmup, rate: f.base_rate * Double(f.batch) / 256)
        let probe = try LinearProbe(training: training, recipe: recipe, initialWeights: f.initial, order: { f.orders[$0] })
        for (ours, theirs) in [(probe.weights, f.weights), (probe.bias, f.bias), (probe.mean, f.mean), (probe.variance, f.variance)] {
            #expect(ours.count == theirs.count)
            #expect(zip(ours, theirs).allSatisfy { abs($0 - $1) < 1e-6 * max(1, abs($1)) })  // features are rounded to Float here
        }
        #expect(zip(probe.weights, f.initial).contains { abs($0 - $1) > 0.003 })
    }

    /// With features that are new in each epoch, each epoch learns from its own: given back to front, classes come out swapped.
    @Test("learns from each epochs features") func learnsFromEachEpochsFeatures() throws {
        let labels = (0..<40).map { $0 % 2 }
        func set(_ sign: Float) throws -> LabelledFeatures {
            try LabelledFeatures(
                features: labels.enumerated().flatMap { [sign * ($0.element == 0 ? 1 : -1) + Float($0.offset % 7) * 0.01, 1] }, width: 2,
                labels: labels)
        }
        var epochs: [Int] = []
        let recipe = LinearProbe.Recipe(batchSize: 8, epochs: 30, warmupEpochs: 2, rate: 6.4)
        let probe = try LinearProbe(
            training: set(1), recipe: recipe,
            again: { epoch in
                epochs.append(epoch)
                return try epoch == 0 ? nil : set(-1)
            })
        #expect(epochs == Array(0..<30))
        #expect(try probe.accuracy(on: set(-1)) == 1)
        #expect(try probe.accuracy(on: set(1)) == 0)
    }

    @Test("separates what is separable") func separatesWhatIsSeparable() throws {
        var features: [Float] = [], labels: [Int] = []
        for i in 0..<400 {
            let label = i % 4
            labels.append(label * 3)
            for column in 0..<6 { features.append(Float(sin(Double(i * 7 + column))) * 0.2 + (column == label ? 3 : 0)) }
        }
        func part(_ rows: Range<Int>) throws -> LabelledFeatures {
            try LabelledFeatures(
                features: Array(features[(rows.lowerBound * 6)..<(rows.upperBound * 6)]), width: 6, labels: Array(labels[rows]))
        }
        let probe = try LinearProbe(training: try part(0..<300), recipe: .smallBatch)
        #expect(probe.classes == [0, 3, 6, 9])
        #expect(try probe.accuracy(on: part(300..<400)) == 1)
        let narrow = try LabelledFeatures(features: [1, 2], width: 2, labels: [0])
        #expect(throws: FeaturesError.differentWidths(training: 6, test: 2)) { try probe.accuracy(on: narrow) }
    }
}
