import Foundation
import CurricleGraph
import CurricleModels
import CurricleRunSupport
import CurricleRuntime
import CurricleTensors
import CurricleTestSupport
import Testing
@testable import CurricleEngine
@testable import CurricleStorage
@testable import CurricleTrainer
@testable import CurricleWeights

@Suite("KL reduction") struct KLReductionTests {
    private let images = 5, patches = SmallTraining.configuration.patches
    private let weights = MaskerWeights(gauss: 0.7, kl: 0.6, diversity: 1.5)
    private let curriculum = -0.4
    /// Scores in (0, 1) and errors, [images, patches] each.
    private var scores: [Double] { (0..<(images * patches)).map { Double(Float(0.5 + 0.4 * sin(Double($0) * 1.7 + 0.3))) } }
    private var errors: [Double] { (0..<(images * patches)).map { Double(Float(1 + 0.8 * cos(Double($0) * 2.3))) } }

    /// recon, gauss, kl, diversity and total (CL-MAE, eq. 5 to 8), the KL's share being `klWeight` times its sum over the images.
    private func losses(scores: [Double], errors: [Double], klWeight: Double) -> [Double] {
        let rows = (0..<images).map { Array(scores[($0 * patches)..<(($0 + 1) * patches)]) }
        let kept = scores.map { 1 - $0 }
        let recon = zip(errors, kept).reduce(0) { $0 + $1.0 * $1.1 } / kept.reduce(0, +)
        let gauss =
            scores.reduce(0) { $0 + exp(-($1 - 0.5) * ($1 - 0.5) / (2 * 0.12 * 0.12)) * 0.12 * (2 * Double.pi).squareRoot() }
            / Double(scores.count)
        let kl = rows.reduce(0) { sum, row in
            let mean = row.reduce(0, +) / Double(patches)
            return sum + mean * log(mean / 0.25) + (1 - mean) * log((1 - mean) / 0.75)
        }
        var diversity = 0.0
        for i in 0..<images {
            for j in 0..<i { diversity += exp(-0.1 * zip(rows[i], rows[j]).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()) }
        }
        let parts = [
            recon, Double(weights.gauss) * gauss, klWeight * kl, Double(weights.diversity) * diversity / Double(images * (images - 1) / 2)
        ]
        return parts + [curriculum * recon + parts[1] + parts[2] + parts[3]]
    }

    @Test("losses, their total and its gradient are those computed in Double", arguments: KLReduction.allCases, ISA.available)
    func matchesDouble(reduction: KLReduction, isa: ISA) throws {
        let model = try ModelRuntime(SmallTraining.configuration, trains: true, threads: 2, isa: isa)
        let program = try model.executable(.maskerLosses(images: images, StepOptions(weights: weights, klReduction: reduction)))
        let given: RunInputs = [
            .scores: .numbers(scores.map { Float($0) }), .errors: .numbers(errors.map { Float($0) }),
            .curriculum: .numbers([Float(curriculum)])
        ]
        let status = try model.session.run(program, given)
        #expect(status == .done)
        let klWeight = Double(weights.kl) / (reduction == .mean ? Double(images) : 1)
        for (value, expected) in zip(try model.result("losses", of: program), losses(scores: scores, errors: errors, klWeight: klWeight)) {
            #expect(abs(Double(value) - expected) < 2e-6 * max(1, abs(expected)), "\(value) is not \(expected)")
        }
        // Central differences of the total.
        let step = 1e-5, byScores = try model.result("grad.scores", of: program), byErrors = try model.result("grad.errors", of: program)
        #expect(byScores.count == scores.count && byErrors.count == errors.count)
        for i in scores.indices {
            func total(_ change: (inout [Double], inout [Double]) -> Void) -> Double {
                var scores = scores, errors = errors
                change(&scores, &errors)
                return losses(scores: scores, errors: errors, klWeight: klWeight)[4]
            }
            let score = (total { s, _ in s[i] += step } - total { s, _ in s[i] -= step }) / (2 * step)
            let error = (total { _, e in e[i] += step } - total { _, e in e[i] -= step }) / (2 * step)
            #expect(abs(Double(byScores[i]) - score) < 1e-5 * max(1, abs(score)), "score \(i): \(byScores[i]) is not \(score)")
            #expect(abs(Double(byErrors[i]) - error) < 1e-5, "error \(i): \(byErrors[i]) is not \(error)")
        }
    }

    /// Which a division by a piece's images would not be.
    @Test("in pieces of a batch the sum is divided by the whole batch's images", arguments: [1, 2, 4])
    func pieces(pieceImages: Int) throws {
        let data = SmallTraining(images: 6)
        func step(_ reduction: KLReduction, pieceImages: Int?) throws -> (losses: [Float], gradient: [Float]) {
            let trainer = try SmallTraining.trainer(
                StepOptions(klReduction: reduction), accumulates: pieceImages == nil, pieceImages: pieceImages)
            let losses = try data.iterate(trainer, images: 6, rate: 0)
            let model = trainer.model, memory = try #require(model.session.gradients)
            return (
                try #require(losses.masker),
                model.parameters.all.filter { $0.parameter.group == .masker }.flatMap { model.values(of: $0, in: memory) }
            )
        }
        let sum = try step(.sum, pieceImages: nil), whole = try step(.mean, pieceImages: nil),
            pieces = try step(.mean, pieceImages: pieceImages)
        #expect(abs(whole.losses[2] * 6 - sum.losses[2]) < 1e-5 * abs(sum.losses[2]) && sum.losses[2] > 1e-4)
        for (one, other) in zip(whole.losses, pieces.losses) { #expect(abs(one - other) <= 1e-5 * max(1, abs(one))) }
        let largest = whole.gradient.reduce(0) { max($0, abs($1)) }
        #expect(zip(whole.gradient, pieces.gradient).allSatisfy { abs($0 - $1) <= 2e-5 * largest + 1e-9 })
        #expect(zip(whole.gradient, sum.gradient).contains { abs($0 - $1) > 1e-2 * largest })
    }

    @Test("only the KL's weight differs in the described step, and the default writes nothing into a run's settings")
    func described() throws {
        func text(_ reduction: KLReduction) throws -> String {
            let configuration = SmallTraining.configuration
            var builder = ModelBuilder(configuration, parameters: ModelParameters(configuration), images: 4)
            return try builder.maskerStep(StepOptions(klReduction: reduction)).graph.description
        }
        #expect(try text(.sum).contains("kl 0.1 ") && text(.sum).replacingOccurrences(of: "kl 0.1 ", with: "kl 0.025 ") == text(.mean))
        let plain = PretrainSettings(step: StepOptions()), changed = PretrainSettings(step: StepOptions(klReduction: .mean))
        #expect(!plain.json.contains("kl-reduction"))
        #expect(
            changed.json
                == plain.json.replacingOccurrences(
                    of: "  \"lambda-kl\": 0.1,\n", with: "  \"lambda-kl\": 0.1,\n  \"kl-reduction\": \"mean\",\n"))
    }
}
