import CurricleCompiler
import Foundation
import CurricleGraph
import CurricleModels
import CurricleProgram
import CurricleRuntime
import CurricleTensors
import CurricleTestSupport
import Testing
import CurricleVision
@testable import CurricleEngine
@testable import CurricleStorage
@testable import CurricleTrainer

/// What timm and PyTorch make of a small classifier in float64: tools/make_finetuning_fixture.py.
private struct FinetuningFixture {
    static let images = 4, steps = 3, classes = 5
    let file: TensorFile
    /// `avg` or `token`, timm's names for the mean of the patch tokens and the class token.
    let pool: String

    init(pool: String) throws {
        self.pool = pool
        let path = fixture("finetuning.safetensors")
        file = try TensorFile(path: path)
    }

    func model(storesGradients: Bool, threads: Int = 2, isa: ISA = .best) throws -> ModelRuntime {
        var c = ModelConfiguration(imageHeight: 16, imageWidth: 16, patchSize: 4, embedWidth: 24, depth: 3, heads: 4)
        c.normalizesPooled = pool == "avg" ? true : nil
        let model = try ModelRuntime(
            c, parts: .classifier(ClassifierShape(classes: Self.classes, layerDecay: 0.65)), trains: true, storesGradients: storesGradients,
            threads: threads, isa: isa)
        for parameter in model.parameters.all {
            #expect(file.shape(of: "\(pool).before.\(parameter.parameter.name)") == parameter.referenceShape)
            model.set(parameter, in: model.session.parameters, try file.floats("\(pool).before.\(parameter.parameter.name)"))
        }
        return model
    }

    /// One batch of a named input.
    func values(_ name: String, step: Int) throws -> [Float] {
        let all = try file.floats(name), each = all.count / Self.steps
        return Array(all[(step * each)..<((step + 1) * each)])
    }

    /// - Parameter scalars: the step's, for an immediate update.
    func run(_ model: ModelRuntime, step: Int, update: Update, scalars: [Float]? = nil) throws -> (loss: Float, logits: [Float]) {
        let executable = try model.classifierStep(images: Self.images, dropsPaths: true, update: update)
        let status = try values("patches", step: step).withUnsafeBytes { batch in
            try values("targets", step: step).withUnsafeBytes { targets in
                try values("scales", step: step).withUnsafeBytes { scales in
                    var inputs: RunInputs = [.patches: .memory(batch), .targets: .memory(targets), .branchScales: .memory(scales)]
                    if let scalars { inputs[.step] = .numbers(scalars) }
                    return try model.session.run(executable, inputs)
                }
            }
        }
        #expect(status == .done)
        return (try model.result("losses", of: executable)[0], try model.result("logits", of: executable))
    }

    /// The largest difference of a parameter from PyTorch's, as a share of how far PyTorch's rates could move it.
    func worst(_ model: ModelRuntime, _ prefix: String, rate: Float) throws -> Float {
        try model.parameters.all.map { parameter in
            let ours = model.values(of: parameter, in: model.session.parameters),
                theirs = try file.floats("\(pool).\(prefix).\(parameter.parameter.name)")
            // A key's bias moves all scores of a query alike: its gradient is zero, and what AdamW makes of it is rounding.
            let isKey = { (i: Int) in parameter.parameter.name.hasSuffix("qkv.bias") && i / 24 == 1 }
            return ours.indices.map { isKey($0) ? 0 : abs(ours[$0] - theirs[$0]) }.max()! / (rate * parameter.parameter.rateScale)
        }.max()!
    }
}

@Suite struct FinetuningTests {
    private let adamw = AdamW(beta1: 0.9, beta2: 0.999, weightDecay: 0.05)

    @Test("updates as timm and py PyTorch do", arguments: ["avg", "token"], ISA.available)
    func updatesAsTimmAndPyTorchDo(pool: String, isa: ISA) throws {
        let fixture = try FinetuningFixture(pool: pool), model = try fixture.model(storesGradients: false, isa: isa)
        let losses = try fixture.file.floats("\(pool).losses"), rates = try fixture.file.floats("rates")
        for step in 0..<FinetuningFixture.steps {
            let scalars = adamw.scalars(update: step + 1, learningRate: Double(rates[step]), batches: 1)
            let done = try fixture.run(model, step: step, update: .immediate(adamw), scalars: scalars)
            #expect(abs(done.loss - losses[step]) < 2e-5 * losses[step])
            #expect(relativeError(done.logits, try fixture.file.floats("\(pool).logits.\(step)")) < (step == 0 ? 5e-6 : 1e-4))
        }
        #expect(try fixture.worst(model, "after", rate: rates.reduce(0, +)) < 2e-3)
    }

    @Test("accumulates and clips as py PyTorch does", arguments: ["avg", "token"])
    func accumulatesAndClipsAsPyTorchDoes(pool: String) throws {
        let fixture = try FinetuningFixture(pool: pool), model = try fixture.model(storesGradients: true)
        let rate = try fixture.file.floats("rates")[0]
        for step in 0..<2 { _ = try fixture.run(model, step: step, update: .store(adding: step > 0)) }
        let update = try model.executable(.update(.classifier, adamw, clip: 0.4)),
            scalars = adamw.scalars(update: 1, learningRate: Double(rate), batches: 2)
        #expect(try model.session.run(update, [.step: .numbers(scalars)]) == .done)
        #expect(relativeError(try model.result("gradient norm", of: update), try fixture.file.floats("\(pool).norm")) < 1e-5)
        #expect(try fixture.worst(model, "clipped", rate: rate) < 2e-3)
    }

    @Test("threads do not change the bits") func threadsDoNotChangeTheBits() throws {
        let fixture = try FinetuningFixture(pool: "avg")
        let runs = try [1, 2, 5].map { threads in
            let model = try fixture.model(storesGradients: false, threads: threads)
            _ = try fixture.run(
                model, step: 0, update: .immediate(adamw), scalars: adamw.scalars(update: 1, learningRate: 1e-3, batches: 1))
            return model.session.parameters.floats.map(\.bitPattern)
        }
        #expect(runs[0] == runs[1] && runs[1] == runs[2])
    }

    @Test("drop path drops more in later blocks") func dropPathDropsMoreInLaterBlocks() {
        let paths = DropPath(rate: 0.4, depth: 5, seed: 3), samples = Array(0..<4000)
        let scales = paths.scales(samples: samples, epoch: 2)
        #expect(zip(paths.rates, [0, 0.1, 0.2, 0.3, 0.4]).allSatisfy { abs($0 - $1) < 1e-12 })
        for (block, rate) in paths.rates.enumerated() {
            for branch in [2 * block, 2 * block + 1] {
                let row = scales[(branch * samples.count)..<((branch + 1) * samples.count)]
                #expect(row.allSatisfy { $0 == 0 || $0 == Float(1 / (1 - rate)) })
                // Five standard deviations of a share of 4,000.
                #expect(abs(Double(row.count { $0 == 0 }) / 4000 - rate) <= 5 * (rate * (1 - rate) / 4000).squareRoot())
            }
        }
        #expect(Array(scales[(9 * 4000)...]) != Array(scales[(8 * 4000)..<(9 * 4000)]))  // the branches of a block on their own
        // A function of the image alone: the same in another batch.
        let few = paths.scales(samples: [17, 3], epoch: 2)
        for branch in 0..<10 { #expect(few[2 * branch] == scales[branch * 4000 + 17] && few[2 * branch + 1] == scales[branch * 4000 + 3]) }
    }

    @Test("scores count as they should") func scoresCountAsTheyShould() {
        var score = ClassifierScore()
        score.add([0, 1, 0, 0, 0, 0] as [Float], label: 1)
        score.add([1, 1, 1, 1, 1, 1] as [Float], label: 4)
        score.add([5, 4, 3, 2, 1, 0] as [Float], label: 5)
        #expect(score.top1 == 1.0 / 3 && score.top5 == 2.0 / 3)
        // −log softmax by hand: log(e + 5) − 1, log 6, and log Σ e⁰…e⁵.
        let expected = (log(M_E + 5) - 1 + log(6) + log((0...5).reduce(0.0) { $0 + exp(Double($1)) })) / 3
        #expect(abs(score.loss - expected) < 1e-12)
    }
}
