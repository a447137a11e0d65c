import CurricleGraph
import CurricleModels
import CurricleRunSupport
import CurricleSettings
import CurricleTensors
import CurricleTestSupport
import Testing
import CurricleVision
@testable import CurricleEngine
@testable import CurricleStorage
@testable import CurricleTrainer
@testable import CurricleWeights

@Suite("Declared settings") struct DeclaredSettingsTests {
    private let model = ModelConfiguration(
        imageHeight: 8, imageWidth: 8, patchSize: 2, channels: 1, embedWidth: 16, depth: 1, heads: 2, decoderWidth: 16, decoderDepth: 1,
        decoderHeads: 2)

    /// Written by the version before settings were declared; only its states could say otherwise.
    @Test("a pretraining run's config.json has the keys, the order and the values that it always had")
    func pretraining() {
        var settings = PretrainSettings(
            model: model, step: StepOptions(maskRatio: 0.5, normalizedTargets: true, masking: .random),
            schedule: Schedule(epochs: 2, warmupEpochs: 0.5, learningRate: 0.001), batchSize: 8, accumulation: 2, clip: 1,
            augmentation: .none,
            normalization: PixelNormalization(mean: [0.5], std: [0.25]), seed: 7, dropLast: true)
        settings.decoding = DecodeOptions(appliesOrientation: true, background: BackgroundColor("white"), fastDecode: 16)
        settings.pieceImages = 3
        let expected = """
            {
              "image-size": 8,
              "patch-size": 2,
              "channels": 1,
              "embed-dim": 16,
              "depth": 1,
              "num-heads": 2,
              "decoder-embed-dim": 16,
              "decoder-depth": 1,
              "decoder-num-heads": 2,
              "batch-size": 8,
              "epochs": 2,
              "accum-iter": 2,
              "mask-ratio": 0.5,
              "masking": "random",
              "norm-pix-loss": true,
              "lambda-gauss": 1.0,
              "lambda-kl": 0.1,
              "lambda-diversity": 2.0,
              "lr": 0.001,
              "min-lr": 0.0,
              "warmup-epochs": 0.5,
              "weight-decay": 0.05,
              "clip-grad": 1.0,
              "augment": "none",
              "mean": "0.5",
              "std": "0.25",
              "seed": 7,
              "drop-last": true,
              "apply-orientation": true,
              "background": "#ffffff",
              "fast-decode": true,
              "micro-batch": 3
            }

            """
        #expect(settings.json == expected)
        settings.decoding = DecodeOptions()
        settings.pieceImages = nil
        settings.memoryLimit = 1 << 20
        settings.model.imageWidth = 16
        let last = settings.json.split(separator: "\n").suffix(3).map(String.init)
        #expect(last == ["  \"drop-last\": true,", "  \"memory-limit\": \"1048576\"", "}"])
        #expect(settings.json.contains("\"image-size\": \"8,16\""))
    }

    @Test("a fine-tuning run's config.json has the keys, the order and the values that it always had")
    func finetuning() {
        var tuned = model
        tuned.normalizesPooled = true
        let settings = FinetuneSettings(
            model: tuned, classes: ["a", "b"],
            schedule: Schedule(epochs: 2, warmupEpochs: 0.4, learningRate: 3.125e-05, minimumLearningRate: 1e-6),
            batchSize: 16, normalization: PixelNormalization(mean: [0.5], std: [0.5]))
        #expect(
            settings.json == """
                {
                  "image-size": 8,
                  "patch-size": 2,
                  "channels": 1,
                  "embed-dim": 16,
                  "depth": 1,
                  "num-heads": 2,
                  "classes": 2,
                  "class-names": "a,b",
                  "batch-size": 16,
                  "epochs": 2,
                  "accum-iter": 1,
                  "pool": "mean",
                  "lr": 3.125e-05,
                  "min-lr": 1e-06,
                  "warmup-epochs": 0.4,
                  "weight-decay": 0.05,
                  "layer-decay": 0.65,
                  "drop-path": 0.1,
                  "clip-grad": 0.0,
                  "mixup": 0.8,
                  "cutmix": 1.0,
                  "smoothing": 0.1,
                  "augment": "finetune",
                  "aa": "rand-m9-n2-p0.5-mstd0.5-inc1",
                  "reprob": 0.25,
                  "mean": "0.5",
                  "std": "0.5",
                  "seed": 0
                }

                """)
    }

    @Test("defaults are MAE's and CL-MAE's")
    func defaults() {
        let shown = Dictionary(uniqueKeysWithValues: PretrainSettings.declared.map { ($0.name, $0.option(PretrainSettings()).fallback) })
        let expected = [
            "model": "tiny-p16", "epochs": "200", "mask-ratio": "0.75", "masking": "learned", "lambda-gauss": "1", "lambda-kl": "0.1",
            "lambda-diversity": "2", "blr": "0.001", "min-lr": "0", "warmup-epochs": "40", "weight-decay": "0.05", "clip-grad": "0",
            "augment": "mae",
            "save-ckpt-freq": "50", "on-nonfinite": "stop", "seed": "0"
        ]
        for (name, value) in expected { #expect(shown[name] == value, "\(name)") }
        for name in ["lr", "batch-size", "image-size", "mean", "micro-batch", "memory-limit", "max-steps"] {
            #expect(shown[name] == .some(nil), "\(name)")
        }
        let tuning = Dictionary(uniqueKeysWithValues: FinetuneSettings.declared.map { ($0.name, $0.option(FinetuneSettings()).fallback) })
        for (name, value) in ["epochs": "50", "blr": "0.0005", "min-lr": "1e-06", "warmup-epochs": "5", "layer-decay": "0.65"] {
            #expect(tuning[name] == value, "\(name)")
        }
    }

    /// A default that its own range refuses, or a place that does not take what it shows, would be found here.
    @Test("what is shown or recorded of a setting reads back to the same settings")
    func roundTrips() {
        func check<Root: DeclaredSettings>(_ root: Root) {
            for setting in Root.declared {
                guard let value = setting.recorded(root, defaults: Root()), let form = setting.declaration.form else { continue }
                var again = Root()
                let read = form.read(value.exactText)
                #expect(read.map { setting.set($0, in: &again) } == true, "\(setting.name)")
                #expect(setting.recorded(again, defaults: Root()) == value, "\(setting.name)")
            }
            #expect(Set(Root.declared.map(\.name)).count == Root.declared.count)
        }
        var pretraining = PretrainSettings(
            model: model, step: StepOptions(maskRatio: 0.6, masking: .random, weights: MaskerWeights(gauss: 3, kl: 4, diversity: 5)))
        pretraining.model.imageWidth = 16
        pretraining.clip = 2
        pretraining.pieceImages = 4
        pretraining.memoryLimit = 1 << 30
        pretraining.seed = 11
        pretraining.decoding.background = BackgroundColor("#336699")
        check(pretraining)
        var tuning = FinetuneSettings(model: model, classes: ["a", "b"], normalization: .imageNet)
        tuning.randAugment = nil
        tuning.augmentation = .flip
        tuning.dropPath = 0.4
        check(tuning)
    }

    @Test("the learning rate follows from the images of an update, and a warm-up that is not given fits into the epochs")
    func derived() {
        var settings = PretrainSettings(step: StepOptions(), batchSize: 64, accumulation: 8)
        settings.settle { _ in false }
        #expect(settings.schedule.learningRate == 1e-3 * 512 / 256 && settings.schedule.warmupEpochs == 40)
        settings.schedule.epochs = 40
        settings.schedule.learningRate = 7
        settings.settle { $0 == "lr" }
        #expect(settings.schedule.learningRate == 7 && settings.schedule.warmupEpochs == 8)
        settings.schedule.warmupEpochs = 40
        settings.settle { $0 == "warmup-epochs" }
        #expect(settings.problem?.settings == ["warmup-epochs", "epochs"])
        settings.model.channels = 1
        settings.decoding.fastDecode = 0
        settings.settle { $0 == "mean" }
        #expect(
            settings.normalization.mean == PixelNormalization.imageNet.mean && settings.normalization.std == [0.5]
                && settings.decoding.fastDecode == 448)
    }

    @Test("weights say how they were trained, and are read by the same declarations")
    func weights() {
        let options = StepOptions(maskRatio: 0.6, normalizedTargets: true, masking: .random)
        #expect(options.metadata == ["curricle.mask_ratio": "0.6", "curricle.norm_pix_loss": "true", "curricle.masking": "random"])
        #expect(StepOptions(weights: options.metadata) == options)
        #expect(
            StepOptions(weights: [:]) == StepOptions()
                && StepOptions(weights: ["curricle.mask_ratio": "2", "curricle.masking": "odd"]) == StepOptions())
    }
}
