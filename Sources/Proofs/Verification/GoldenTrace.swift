import CurricleCompiler
import CurricleEngine
import CurricleFeatures
import Foundation
import CurricleGraph
import CurricleModels
import CurricleRuntime
import CurricleSettings
import CurricleStorage
import CurricleTensors
import CurricleTrainer
import CurricleVision

/// A golden trace (`clmae-trace/1`): a model's parameters and images, and what the reference computes from them in float64.
package struct GoldenTrace {
    package let path: String
    package let configuration: ModelConfiguration
    package let options: StepOptions
    package let batch: Int
    package let learningRate: Double
    package let adamw: AdamW
    package let iterations: Int
    package let curriculum: Double
    let sweeps: Bool
    package let file: TensorFile

    /// The `config` of a trace's metadata.
    private struct Header: Decodable {
        let img_size, patch_size, embed_dim, depth, num_heads, decoder_embed_dim, decoder_depth, decoder_num_heads: Int
        let mlp_ratio, masker_depth, masker_heads, batch, iterations: Int
        let mask_ratio, lambda_cl, lr, weight_decay, beta1, beta2, eps: Double
        let lambda_gauss, lambda_kl, lambda_diversity: Float
        let norm_pix_loss: Bool
        let sweep: Bool?
    }

    /// - Throws: `TensorFileError`, or `LearningError.file` for metadata that is not a trace's.
    package init(path: String) throws {
        file = try TensorFile(path: path)
        self.path = path
        guard file.metadata["format"] == "clmae-trace/1", let config = file.metadata["config"] else {
            throw LearningError.file(path: path, reason: "is not a trace: its metadata lacks format clmae-trace/1")
        }
        let header: Header
        do { header = try JSONDecoder().decode(Header.self, from: Data(config.utf8)) } catch {
            throw LearningError.file(path: path, reason: "its metadata's config cannot be read: \(error)")
        }
        let images = try file.entry("images").shape
        guard images.count == 4, images[0] == header.batch, images[2] == header.img_size, images[3] == header.img_size else {
            throw LearningError.file(
                path: path, reason: "images have shape \(images), not [\(header.batch), C, \(header.img_size), \(header.img_size)]")
        }
        configuration = ModelConfiguration(
            imageHeight: header.img_size, imageWidth: header.img_size, patchSize: header.patch_size, channels: images[1],
            embedWidth: header.embed_dim,
            depth: header.depth, heads: header.num_heads, decoderWidth: header.decoder_embed_dim, decoderDepth: header.decoder_depth,
            decoderHeads: header.decoder_num_heads, maskerDepth: header.masker_depth, maskerHeads: header.masker_heads,
            mlpRatio: header.mlp_ratio)
        if let problem = configuration.problem { throw LearningError.file(path: path, reason: Message(problem)) }
        guard header.iterations > 0, header.batch > 0, (0...1).contains(header.mask_ratio),
            (1..<configuration.patches).contains(configuration.kept(maskRatio: header.mask_ratio))
        else {
            throw LearningError.file(path: path, reason: "its config keeps no patch, or all of them, or has no iterations")
        }
        options = StepOptions(
            maskRatio: header.mask_ratio, normalizedTargets: header.norm_pix_loss,
            weights: MaskerWeights(gauss: header.lambda_gauss, kl: header.lambda_kl, diversity: header.lambda_diversity))
        batch = header.batch
        learningRate = header.lr
        adamw = AdamW(beta1: header.beta1, beta2: header.beta2, epsilon: header.eps, weightDecay: header.weight_decay)
        iterations = header.iterations
        curriculum = header.lambda_cl
        sweeps = header.sweep ?? false
    }

    /// Replays the trace twice: single values from programs that have them as results, the trajectory from the programs
    /// that training runs.
    package func verify(threads: Int, isa: ISA) throws -> VerificationReport {
        let model = try ModelRuntime(configuration, trains: true, threads: threads, isa: isa)
        try loadParameters(into: model)
        let patches = try patchBatch()
        defer { patches.deallocate() }
        let batch = TrainingBatch(images: self.batch, patches: UnsafeRawBufferPointer(patches))
        var comparisons = try single(model, batch)
        comparisons += try trajectory(model, batch)
        return VerificationReport(path: path, comparisons: comparisons)
    }

    func loadParameters(into model: ModelRuntime) throws {
        for parameter in model.parameters.all {
            let name = "param.\(parameter.parameter.name)"
            guard try file.entry(name).shape == parameter.referenceShape else {
                throw LearningError.file(
                    path: path, reason: "\(name) has shape \(try file.entry(name).shape), not \(parameter.referenceShape)")
            }
            model.set(parameter, in: model.session.parameters, try file.floats(name))
        }
    }

    func patchBatch() throws -> UnsafeMutableBufferPointer<Float> {
        let images = try file.floats("images")
        let grid = try configuration.grid
        return patchBatchOf(planes: images, grid: grid, images: batch)
    }

    /// Values at the initial parameters.
    private func single(_ model: ModelRuntime, _ batch: TrainingBatch) throws -> [Comparison] {
        var scores = Comparison("scores", "of the largest", tolerance: 5e-6)
        var order = Comparison("kept patches", "differing", tolerance: 0.5)
        var predictions = Comparison("predictions", "of the largest", tolerance: 5e-6)
        var losses = Comparison("losses", "relative", tolerance: 1e-5)
        var gradients = Comparison("gradients", "of the largest", tolerance: 2e-5)
        var features = Comparison("features", "of the largest", tolerance: 5e-6)
        let session = model.session
        let patches = RunInputs.Tensor.memory(batch.patches)

        let a = try model.autoencoderStep(images: batch.images, options, update: .expose, examined: true)
        _ = try session.run(a, [.patches: patches])
        scores.note(try model.result("scores", of: a), try file.floats("scores"), "scores")
        let kept = configuration.kept(maskRatio: options.maskRatio), all = session.integerResult(try a.program.result("order"))
        let ours = (0..<batch.images).flatMap { all[($0 * configuration.patches)..<($0 * configuration.patches + kept)] }
        let expected = try file.integers("ids_keep")
        order.note(ours.count == expected.count ? Double(zip(ours, expected).count { $0 != $1 }) : .infinity, "ids_keep")
        predictions.note(try model.result("pred", of: a), try file.floats("mae.pred"), "mae.pred")
        features.note(try model.result("latent_cls", of: a), try file.floats("mae.latent_cls"), "mae.latent_cls")
        losses.noteRelative(Double(try model.result("losses", of: a)[0]), try expectedValue("mae.loss"), "mae.loss")
        for parameter in model.parameters.all where parameter.parameter.group == .autoencoder {
            gradients.note(
                try exposedGradient(parameter, model, a), try file.floats("mae.grad.\(parameter.parameter.name)"),
                "mae.grad.\(parameter.parameter.name)")
        }

        let b = try model.maskerStep(images: batch.images, options, update: .expose, examined: true)
        _ = try session.run(b, [.patches: patches, .curriculum: .numbers([Float(curriculum)])])
        predictions.note(try model.result("pred", of: b), try file.floats("masker.pred"), "masker.pred")
        for (name, value) in zip(["recon", "gauss", "kl", "diversity", "total"], try model.result("losses", of: b)) {
            let tensor = "masker.loss.\(name)"
            losses.noteRelative(Double(value), try expectedValue(tensor), tensor, absolute: name == "kl" ? klTolerance : 0)
        }
        for parameter in model.parameters.all where parameter.parameter.group == .masker {
            gradients.note(
                try exposedGradient(parameter, model, b), try file.floats("masker.grad.\(parameter.parameter.name)"),
                "masker.grad.\(parameter.parameter.name)")
        }

        let f = try model.features(images: batch.images)
        _ = try session.run(f, [.patches: patches])
        for name in ["cls", "mean"] {
            features.note(try model.result(name, of: f), try file.floats("features.\(name)"), "features.\(name)")
        }
        return [scores, order, predictions, losses, gradients, features]
    }

    /// The only value of a tensor; not a number where it has none, which no comparison passes.
    func expectedValue(_ tensor: String) throws -> Double { try file.floats(tensor).first.map(Double.init) ?? .nan }

    private var klTolerance: Double { 1e-6 * Double(options.weights.kl) * Double(batch) }

    /// Joint iterations by the training programs, and the parameters after them.
    private func trajectory(_ model: ModelRuntime, _ batch: TrainingBatch) throws -> [Comparison] {
        var trajectory = Comparison("trajectory", "relative", tolerance: 1e-5)
        var finals = Comparison("final parameters", "of the move", tolerance: 3e-3)
        let trainer = JointTrainer(model: model, options: options, adamw: adamw)
        let expected = try Dictionary(
            uniqueKeysWithValues: ["mae", "recon", "gauss", "kl", "diversity"].map { ($0, try file.floats("trajectory.\($0)")) })
        for i in 0..<iterations {
            let factor = sweeps && iterations > 1 ? curriculum * (1 - 2 * Double(i) / Double(iterations - 1)) : curriculum
            let losses = try trainer.iterate([batch], IterationSettings(learningRate: learningRate, curriculum: factor))
            let ours = [losses.autoencoder ?? .nan] + (losses.masker ?? Array(repeating: .nan, count: 5)).prefix(4)
            for (name, value) in zip(["mae", "recon", "gauss", "kl", "diversity"], ours) {
                let row = expected[name] ?? []
                let want = i < row.count ? Double(row[i]) : .nan
                trajectory.noteRelative(Double(value), want, "trajectory.\(name)[\(i)]", absolute: name == "kl" ? klTolerance : 0)
            }
        }
        for parameter in model.parameters.all {
            let name = parameter.parameter.name
            var start = try file.floats("param.\(name)"), end = try file.floats("final.\(name)")
            var ours = model.values(of: parameter, in: model.session.parameters)
            guard ours.count == end.count, start.count == end.count else { finals.note(.infinity, "final.\(name)"); continue }
            if name.hasSuffix("attn.qkv.bias") {  // softmax ignores a bias of the keys: its true gradient is 0
                let third = start.count / 3
                for range in [third..<2 * third] {
                    start.removeSubrange(range)
                    end.removeSubrange(range)
                    ours.removeSubrange(range)
                }
            }
            var miss = 0.0, move = 0.0
            for i in end.indices {
                miss += power(Double(ours[i]) - Double(end[i]), 2)
                move += power(Double(end[i]) - Double(start[i]), 2)
            }
            finals.note(move == 0 ? (miss == 0 ? 0 : .infinity) : (miss / move).squareRoot(), "final.\(name)")
        }
        return [trajectory, finals]
    }
}

/// A gradient that a program exposes, whole, in the reference's order: pieces of a parameter are put together by sections.
/// - Throws: `MissingResult` for a parameter that the program does not train.
func exposedGradient(_ parameter: ModelParameter, _ model: ModelRuntime, _ executable: Executable) throws -> [Float] {
    let p = parameter.parameter
    let whole = "grad.\(ParameterSlice(p))"
    if p.sections == 1 || executable.program.hasResult(whole) { return parameter.toReference(try model.result(whole, of: executable)) }
    return try model.result("grad.\(ParameterSlice(p, sections: 0..<1))", of: executable)
        + model.result("grad.\(ParameterSlice(p, sections: 1..<p.sections))", of: executable)
}

/// Planes [N, C, H, W] as patches [N, L, P]; the caller deallocates.
func patchBatchOf(planes: [Float], grid: PatchGrid, images: Int) -> UnsafeMutableBufferPointer<Float> {
    let each = grid.count * grid.patchWidth
    let patches = UnsafeMutableBufferPointer<Float>.allocate(capacity: images * each)
    planes.withUnsafeBufferPointer { all in
        for i in 0..<images {
            patchify(
                planes: UnsafeBufferPointer(rebasing: all[(i * each)..<((i + 1) * each)]), grid: grid,
                into: UnsafeMutableBufferPointer(rebasing: patches[(i * each)..<((i + 1) * each)]))
        }
    }
    return patches
}
