import CurricleEngine
import CurricleFeatures
import Foundation
import CurricleGraph
import CurricleModels
import CurricleRuntime
import CurricleTensors
import CurricleVision

/// A digest (`clmae-digest/1`): one joint iteration of a preset at full size. Parameters and images come from a formula;
/// the file holds losses, and norm, largest magnitude and eight values of each gradient.
package struct GoldenDigest {
    package let path: String
    private let contents: Contents

    struct Summary: Decodable {
        let norm, max: Double
        let at: [Int]
        let values: [Double]
    }
    private struct Contents: Decodable {
        let format, preset: String
        let batch: Int
        let seed: UInt64
        let norm_pix_loss: Bool
        let lambda_cl, mask_ratio: Double
        let lambda_gauss, lambda_kl, lambda_diversity: Float
        let scores: Summary
        let maeLoss, recon, gauss, kl, diversity: Double
        let maeGradients, maskerGradients: [String: Summary]
        let check: [String: [Double]]
        enum CodingKeys: String, CodingKey {
            case format, preset, batch, seed, norm_pix_loss, lambda_cl, mask_ratio, lambda_gauss, lambda_kl, lambda_diversity, scores, check
            case maeLoss = "mae.loss", recon = "masker.loss.recon", gauss = "masker.loss.gauss", kl = "masker.loss.kl", diversity =
                "masker.loss.diversity"
            case maeGradients = "mae.grad", maskerGradients = "masker.grad"
        }
    }

    /// - Throws: `LearningError.file`.
    package init(path: String) throws {
        self.path = path
        guard let data = FileManager.default.contents(atPath: path) else { throw LearningError.file(path: path, reason: "cannot be read") }
        do { contents = try JSONDecoder().decode(Contents.self, from: data) } catch {
            throw LearningError.file(path: path, reason: "is not a digest: \(error)")
        }
        guard contents.format == "clmae-digest/1", (1...4096).contains(contents.batch), (0...1).contains(contents.mask_ratio) else {
            throw LearningError.file(
                path: path, reason: "is not a digest of format clmae-digest/1, or its batch or mask ratio is out of range")
        }
    }

    /// Replays the iteration at the formula's parameters.
    package func verify(threads: Int, isa: ISA) throws -> VerificationReport {
        guard let configuration = ModelConfiguration.preset(contents.preset) else {
            throw LearningError.file(path: path, reason: "its preset '\(contents.preset)' is unknown")
        }
        let model = try ModelRuntime(configuration, trains: false, threads: threads, isa: isa)
        var formula = Comparison("formula", "of the largest", tolerance: 1e-7)
        for parameter in model.parameters.all {
            let values = GoldenDigest.values(of: parameter, seed: contents.seed)
            if let expected = contents.check[parameter.parameter.name] {
                formula.note(Array(values.prefix(expected.count)), expected.map(Float.init), parameter.parameter.name)
            }
            model.set(parameter, in: model.session.parameters, values)
        }
        let grid = try configuration.grid
        let images = GoldenDigest.uniform("images", seed: contents.seed, count: contents.batch * grid.count * grid.patchWidth).map {
            Float(2 * $0)
        }
        if let expected = contents.check["images"] {
            formula.note(Array(images.prefix(expected.count)), expected.map(Float.init), "images")
        }
        let patches = patchBatchOf(planes: images, grid: grid, images: contents.batch)
        defer { patches.deallocate() }
        return VerificationReport(path: path, comparisons: [formula] + (try compare(model, UnsafeRawBufferPointer(patches))))
    }

    private func compare(_ model: ModelRuntime, _ patches: UnsafeRawBufferPointer) throws -> [Comparison] {
        let options = StepOptions(
            maskRatio: contents.mask_ratio, normalizedTargets: contents.norm_pix_loss,
            weights: MaskerWeights(gauss: contents.lambda_gauss, kl: contents.lambda_kl, diversity: contents.lambda_diversity))
        var losses = Comparison("losses", "relative", tolerance: 1e-5)
        var norms = Comparison("norms", "relative", tolerance: 3e-4)
        var values = Comparison("values", "of the largest", tolerance: 5e-5)
        func note(_ ours: [Float], _ expected: Summary, _ name: String) {
            let norm = ours.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            norms.noteRelative(norm, expected.norm, name)
            let largest = ours.reduce(0.0) { max($0, abs(Double($1))) }
            guard expected.max > 0, !expected.at.isEmpty, expected.at.count == expected.values.count else {
                return values.note(.infinity, name)
            }
            values.note(abs(largest - expected.max) / expected.max, name)
            for (at, value) in zip(expected.at, expected.values) {
                values.note(ours.indices.contains(at) ? abs(Double(ours[at]) - value) / expected.max : .infinity, name)
            }
        }
        let session = model.session
        let a = try model.autoencoderStep(images: contents.batch, options, update: .expose, examined: true)
        _ = try session.run(a, [.patches: .memory(patches)])
        note(try model.result("scores", of: a), contents.scores, "scores")
        losses.noteRelative(Double(try model.result("losses", of: a)[0]), contents.maeLoss, "mae.loss")
        for parameter in model.parameters.all where parameter.parameter.group == .autoencoder {
            let name = parameter.parameter.name
            guard let expected = contents.maeGradients[name] else { norms.note(.infinity, "mae.grad.\(name) (missing)"); continue }
            note(try exposedGradient(parameter, model, a), expected, "mae.grad.\(name)")
        }
        let b = try model.maskerStep(images: contents.batch, options, update: .expose)
        _ = try session.run(b, [.patches: .memory(patches), .curriculum: .numbers([Float(contents.lambda_cl)])])
        let masker = try model.result("losses", of: b), recorded = [contents.recon, contents.gauss, contents.kl, contents.diversity]
        for (name, value, expected) in zip3(["recon", "gauss", "kl", "diversity"], masker, recorded) {
            let absolute = name == "kl" ? 1e-6 * Double(contents.lambda_kl) * Double(contents.batch) : 0
            losses.noteRelative(Double(value), expected, "masker.loss.\(name)", absolute: absolute)
        }
        for parameter in model.parameters.all where parameter.parameter.group == .masker {
            let name = parameter.parameter.name
            guard let expected = contents.maskerGradients[name] else { norms.note(.infinity, "masker.grad.\(name) (missing)"); continue }
            note(try exposedGradient(parameter, model, b), expected, "masker.grad.\(name)")
        }
        return [losses, norms, values]
    }

    private func zip3<A, B, C>(_ a: [A], _ b: [B], _ c: [C]) -> [(A, B, C)] { zip(a, zip(b, c)).map { ($0, $1.0, $1.1) } }

    /// The formula's u in [−1, 1) for the elements of a tensor, row-major (golden/README.md).
    package static func uniform(_ name: String, seed: UInt64, count: Int) -> [Double] {
        let hash = name.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return (0..<count).map { i in
            var z = hash &+ seed &+ UInt64(i)
            z = z &* 0x9e37_79b9_7f4a_7c15
            z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
            z ^= z >> 31
            return Double(z >> 40) / 0x1p23 - 1
        }
    }

    /// Weights u·√(6/(rows + elements of a row)), the masker's head three times that; all else u·0.05, norms' weights plus 1.
    package static func values(of parameter: ModelParameter, seed: UInt64) -> [Float] {
        let name = parameter.parameter.name, shape = parameter.parameter.shape
        let u = uniform(name, seed: seed, count: shape.reduce(1, *))
        switch parameter.initialValue {
        case .xavier:
            let bound = (6 / Double(shape[0] + shape[1])).squareRoot() * (name == "masking_net.mlp_head.1.weight" ? 3 : 1)
            return u.map { Float($0 * bound) }
        case .ones: return u.map { Float(1 + 0.05 * $0) }
        case .zeros, .normal, .positions: return u.map { Float(0.05 * $0) }
        }
    }
}
