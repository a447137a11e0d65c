import CurricleEngine
import CurricleGraph
import CurricleModels
import CurricleRuntime
import CurricleTrainer

extension GoldenTrace {
    /// Replays the trace in bf16: how far features, losses and the whole gradient at its parameters are from the reference's float64, as norms
    /// of differences over norms.
    package func verifyBfloat16(threads: Int, isa: ISA) throws -> VerificationReport {
        let model = try ModelRuntime(configuration, precision: .bfloat16, trains: true, threads: threads, isa: isa), session = model.session
        try loadParameters(into: model)
        let patches = try patchBatch()
        defer { patches.deallocate() }
        let given = RunInputs.Tensor.memory(UnsafeRawBufferPointer(patches))
        // Of scores that are nearly equal another may be kept.
        var order = Comparison("kept patches", "others", tolerance: 0.05)
        var losses = Comparison("losses", "relative", tolerance: 2e-3)
        // They stand for the gauss loss, whose exponent takes an error of a score 14 times and more: (s − ½)/0.12² from a score of 0.3 on.
        var scores = Comparison("scores", "of the norm", tolerance: 0.01)
        var gradientA = Comparison("gradient of A", "of the norm", tolerance: 0.04)
        // Of 64 scores or so as many gradients: what one batch draws (autocast in PyTorch: 0.02 to 0.04 on the same traces).
        var gradientB = Comparison("gradient of B", "of the norm", tolerance: 0.08)
        var features = Comparison("features", "of the norm", tolerance: 0.01)

        let a = try model.autoencoderStep(images: batch, options, update: .expose, examined: true)
        _ = try session.run(a, [.patches: given])
        let kept = configuration.kept(maskRatio: options.maskRatio), all = session.integerResult(try a.program.result("order"))
        let expected = try file.integers("ids_keep")
        let others = (0..<batch).reduce(0) { count, image in
            let ours = all[(image * configuration.patches)..<(image * configuration.patches + kept)]
            return count + Set(ours.map { Int($0) }).subtracting(expected[(image * kept)..<((image + 1) * kept)].map { Int($0) }).count
        }
        order.note(Double(others) / Double(max(1, expected.count)), "ids_keep")
        var ofScores = Distance()
        ofScores.add(try model.result("scores", of: a), try file.floats("scores"))
        scores.note(ofScores.ratio, "scores")
        losses.noteRelative(Double(try model.result("losses", of: a)[0]), try expectedValue("mae.loss"), "mae.loss")
        gradientA.note(try gradientDistance(model, a, .autoencoder, "mae.grad."), "mae.grad")

        let b = try model.maskerStep(images: batch, options, update: .expose, examined: true)
        _ = try session.run(b, [.patches: given, .curriculum: .numbers([Float(curriculum)])])
        for (name, value) in zip(["recon", "gauss", "kl", "diversity", "total"], try model.result("losses", of: b))
        where !["kl", "gauss"].contains(name) {
            losses.noteRelative(Double(value), try expectedValue("masker.loss.\(name)"), "masker.loss.\(name)")
        }
        gradientB.note(try gradientDistance(model, b, .masker, "masker.grad."), "masker.grad")

        let f = try model.features(images: batch)
        _ = try session.run(f, [.patches: given])
        var distance = Distance()
        for name in ["cls", "mean"] { distance.add(try model.result(name, of: f), try file.floats("features.\(name)")) }
        features.note(distance.ratio, "features")
        return VerificationReport(path: path, comparisons: [features, gradientA, gradientB, losses, scores, order])
    }

    private func gradientDistance(
        _ model: ModelRuntime, _ executable: Executable, _ group: ParameterGroup, _ prefix: String
    ) throws -> Double {
        var distance = Distance()
        for parameter in model.parameters.all where parameter.parameter.group == group {
            distance.add(try exposedGradient(parameter, model, executable), try file.floats(prefix + parameter.parameter.name))
        }
        return distance.ratio
    }

    /// ‖ours − theirs‖ / ‖theirs‖ of several tensors together.
    private struct Distance {
        private var difference = 0.0, whole = 0.0
        var ratio: Double { (difference / whole).squareRoot() }
        mutating func add(_ ours: [Float], _ theirs: [Float]) {
            if ours.count != theirs.count { difference = .nan }
            for (a, b) in zip(ours, theirs) {
                difference += (Double(a) - Double(b)) * (Double(a) - Double(b))
                whole += Double(b) * Double(b)
            }
        }
    }
}
