import Curricle
import CurricleTraining
import CurricleFeatures
import Foundation
import CurricleRuntime
import CurricleTestSupport
import Testing
import CurricleVision
import CurricleDatasets

/// The library as a package that depends on it sees it.
@Suite struct LibraryTests {
    /// Forty small pictures of two classes.
    private func pictures(_ folder: TemporaryFolder) throws -> String {
        for (index, name) in ["light", "dark"].enumerated() {
            try FileManager.default.createDirectory(atPath: folder.file("pictures/\(name)"), withIntermediateDirectories: true)
            for i in 0..<20 {
                let pixels = (0..<28 * 28 * 3).map { UInt8(($0 * (7 + i) + i * 31) % (index == 0 ? 256 : 64)) }
                try Data(encodePNG(PixelImage(width: 28, height: 28, channels: 3, pixels: pixels))).write(
                    to: URL(fileURLWithPath: folder.file("pictures/\(name)/\(i).png")))
            }
        }
        return folder.file("pictures")
    }

    private var recipe: Recipe {
        var model = Recipe.Model(width: 16, depth: 1, heads: 2, decoderWidth: 16)
        (model.imageSize, model.patchSize, model.decoderHeads) = (28, 7, 2)
        var recipe = Recipe(model)
        (recipe.epochs, recipe.batchSize, recipe.normalizesTargets) = (4, 8, true)
        return recipe
    }

    @Test("a run in bf16 is another run than in float32")
    func bfloat16() async throws {
        let folder = try TemporaryFolder(), images = try Images(pictures(folder))
        var half = recipe
        half.precision = .bfloat16
        for (name, recipe) in [("float32", recipe), ("bf16", half)] {
            for try await epoch in Pretraining(recipe, on: images, keepingIn: folder.file(name), threads: 2) { #expect(epoch.loss > 0) }
        }
        let weights = try ["float32", "bf16"].map { try Data(contentsOf: URL(fileURLWithPath: folder.file("\($0)/model.safetensors"))) }
        #expect(weights[0] != weights[1])
    }

    @Test("a run is a sequence of epochs, goes on where it was left to the same bits, and its features are the command's")
    func run() async throws {
        let folder = try TemporaryFolder(), images = try Images(pictures(folder))
        #expect(images.count == 40 && images.classes == ["dark", "light"] && images.label(at: 0) == 0)
        var epochs: [Epoch] = []
        for try await epoch in Pretraining(recipe, on: images, keepingIn: folder.file("whole"), threads: 2) { epochs.append(epoch) }
        #expect(epochs.map(\.number) == [1, 2, 3, 4] && epochs.allSatisfy { $0.count == 4 && $0.loss > 0 && $0.imagesPerSecond > 0 })

        // Left after the first epoch: the step at hand is finished and kept.
        for try await epoch in Pretraining(recipe, on: images, keepingIn: folder.file("cut"), threads: 1) where epoch.number == 1 { break }
        // The run that was left is waited for.
        var rest: [Int] = []
        for try await epoch in Pretraining(recipe, on: images, keepingIn: folder.file("cut"), threads: 2) { rest.append(epoch.number) }
        // It may have been over before it was left.
        #expect(rest == Array((1...4).suffix(rest.count)))
        let finals = ["whole", "cut"].map { URL(fileURLWithPath: folder.file("\($0)/model.safetensors")) }
        #expect(try Data(contentsOf: finals[0]) == Data(contentsOf: finals[1]))

        let weights = try EncoderWeights(folder.file("whole"))
        #expect(weights.imageSize == (28, 28) && weights.channels == 3 && weights.width == 16)
        for (kind, pool) in [(FeatureKind.classToken, Pooling.cls), (.mean, .mean), (.classTokenAndMean, .clsAndMean)] {
            let features = try ImageEncoder(weights, kind: kind, threads: 3).features(of: images)
            let expected = try FeatureExtractor(weights: folder.file("whole"), threads: 1, isa: .best)
                .features(openDataset(at: ByteName(folder.file("pictures")), role: .train), pool: pool)
            #expect(features.values.map(\.bitPattern) == expected.map(\.bitPattern) && features.count == 40)
        }
        let encoder = try ImageEncoder(weights)
        let pixels = (0..<3 * 28 * 28 * 3).map { UInt8($0 % 251) }
        let three = try encoder.features(ofPixels: pixels), last = try encoder.features(ofPixels: Array(pixels.suffix(28 * 28 * 3)))
        #expect(three.count == 3 && Array(three[2]) == Array(last[0]))
        try encoder.write(to: folder.file("encoder.curricle"))
        #expect(FileManager.default.fileExists(atPath: folder.file("encoder.curricle")))

        let features = try encoder.features(of: images), nearest = try features.nearest(to: 3, count: 4)
        func distance(_ a: Int, _ b: Int) -> Float { zip(features[a], features[b]).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } }
        #expect(nearest.count == 4 && !nearest.contains(3))
        #expect(nearest.map { distance(3, $0) } == nearest.map { distance(3, $0) }.sorted())
        let farthest = try #require(nearest.last)
        #expect((0..<40).allSatisfy { $0 == 3 || nearest.contains($0) || distance(3, $0) >= distance(3, farthest) })
    }

    @Test("errors are one line, and name no options of the command") func errors() async throws {
        let folder = try TemporaryFolder()
        for problem in [
            #expect(throws: CurricleError.self) { try EncoderWeights(folder.file("nothing.safetensors")) },
            #expect(throws: CurricleError.self) { try Images(folder.file("nothing")) }
        ] {
            let text = try #require(problem).description
            #expect(text.contains("nothing") && !text.contains("\n") && !text.contains("--"), "\(text)")
        }
        var wrong = recipe
        wrong.model.patchSize = 5
        let images = try Images(pictures(folder))
        await #expect(throws: CurricleError.self) {
            for try await _ in Pretraining(wrong, on: images, keepingIn: folder.file("run")) {}
        }
    }

    @Test("grey pictures are grey to a model of one channel") func grey() async throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder.file("grey"), withIntermediateDirectories: true)
        for i in 0..<16 {
            let pixels = (0..<28 * 28).map { UInt8(($0 * (3 + i)) % 256) }
            try Data(encodePNG(PixelImage(width: 28, height: 28, channels: 1, pixels: pixels))).write(
                to: URL(fileURLWithPath: folder.file("grey/\(i).png")))
        }
        var one = recipe
        (one.model.channels, one.epochs) = (1, 1)
        let images = try Images(folder.file("grey"))
        for try await _ in Pretraining(one, on: images, keepingIn: folder.file("run")) {}
        let encoder = try ImageEncoder(EncoderWeights(folder.file("run")))
        let features = try encoder.features(of: images)
        let expected = try FeatureExtractor(weights: folder.file("run"), threads: 1, isa: .best).features(
            openDataset(at: ByteName(folder.file("grey")), role: .train, decoding: DecodeOptions(channels: 1)), pool: .mean)
        #expect(encoder.channels == 1 && features.values.map(\.bitPattern) == expected.map(\.bitPattern))
        // A folder with weights but no state is nobody's to write over.
        try FileManager.default.createDirectory(atPath: folder.file("other"), withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: folder.file("run/model.safetensors"), toPath: folder.file("other/model.safetensors"))
        await #expect(throws: CurricleError.self) {
            for try await _ in Pretraining(one, on: images, keepingIn: folder.file("other")) {}
        }
    }

    @Test("several threads may use one encoder") func threads() async throws {
        let folder = try TemporaryFolder(), images = try Images(pictures(folder))
        var small = recipe
        small.epochs = 2
        for try await _ in Pretraining(small, on: images, keepingIn: folder.file("run")) {}
        let encoder = try ImageEncoder(EncoderWeights(folder.file("run"))), expected = try encoder.features(of: images)
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<4 { group.addTask { (try? encoder.features(of: images)) == expected } }
            for await isSame in group { #expect(isSame) }
        }
    }

    @Test("an encoder is fine-tuned, judged and planned, and its run becomes a page") func classifier() async throws {
        let folder = try TemporaryFolder(), images = try Images(pictures(folder)), labels = try images.labels()
        #expect(labels == Array(repeating: 0, count: 20) + Array(repeating: 1, count: 20))
        for try await _ in Pretraining(recipe, on: images, keepingIn: folder.file("run")) {}
        let weights = try EncoderWeights(folder.file("run"))

        var tuning = Finetuning(weights, on: images, judgedOn: images, keepingIn: folder.file("tuned"))
        (tuning.epochs, tuning.batchSize, tuning.learningRatePer256) = (3, 8, 2e-2)
        var epochs: [FinetunedEpoch] = []
        for try await epoch in tuning { epochs.append(epoch) }
        #expect(epochs.map(\.number) == [1, 2, 3] && epochs.allSatisfy { $0.count == 3 && $0.loss > 0 && (0...1).contains($0.accuracy) })
        var again = 0
        for try await _ in tuning { again += 1 }
        #expect(again == 0)
        // A folder of the one kind of run is not taken for the other.
        await #expect(throws: CurricleError.self) {
            for try await _ in Finetuning(weights, on: images, judgedOn: images, keepingIn: folder.file("run")) {}
        }

        let features = try ImageEncoder(weights).features(of: images)
        // Every other image is known, and the rest is asked for: by distances and votes here.
        let (known, asked) = ((0..<20).map { 2 * $0 }, (0..<20).map { 2 * $0 + 1 })
        func of(_ rows: [Int]) throws -> ImageFeatures {
            let pixels = try rows.map { try Array(Data(contentsOf: URL(fileURLWithPath: images.name(at: $0)))) }
            return try ImageEncoder(weights).features(ofPixels: pixels.flatMap { try decodeImage(bytes: $0, name: "").pixels })
        }
        let (training, test) = (try of(known), try of(asked))
        func distance(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Double {
            zip(a, b).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
        }
        let votes = test.map { row in
            let nearest = training.indices.sorted { distance(row, training[$0]) < distance(row, training[$1]) }.prefix(3)
            return nearest.filter { labels[known[$0]] == 1 }.count > 1 ? 1 : 0
        }
        let right = zip(votes, asked).filter { $0 == labels[$1] }.count
        #expect(
            try test.accuracy(labels: asked.map { labels[$0] }, among: training, labels: known.map { labels[$0] }, neighbours: 3) == Double(
                right) / 20)
        let probe = try Probe(training, labels: known.map { labels[$0] }), predicted = try probe.predictions(for: test)
        #expect(Set(predicted).isSubset(of: [0, 1]) && predicted.count == 20)
        let found = Double(zip(predicted, asked).filter { $0 == labels[$1] }.count) / 20
        #expect(try probe.accuracy(on: test, labels: asked.map { labels[$0] }) == found && found > 0.5)
        #expect(try features.nearest(to: 0, count: .max).count == 39)
        #expect(throws: CurricleError.self) { try Probe(features, labels: [0]) }
        #expect(throws: CurricleError.self) { try Probe(features, labels: [Int](repeating: 3, count: 40)) }
        #expect(throws: CurricleError.self) { try features.accuracy(labels: labels, among: features, labels: labels, neighbours: 0) }

        let plan = try Plan(recipe, images: 41, threads: 2)
        #expect(plan.batchSize == 8 && plan.steps == 24 && plan.memoryBytes > 1 << 20 && plan.operationsPerStep > 1e6 && plan.seconds > 0)
        var small = recipe
        small.memoryLimit = 1 << 20
        #expect(throws: CurricleError.self) { try Plan(small, images: 40) }

        for size in [0, -1] {
            var none = recipe
            none.batchSize = size
            #expect(throws: CurricleError.self) { try Plan(none, images: 40) }
        }
        #expect(throws: CurricleError.self) { try weights.export(as: .timm, to: folder.file("run/model.safetensors")) }

        for run in ["run", "tuned"] {
            try RunPage(of: folder.file(run)).write(to: folder.file("\(run).html"))
            #expect(try String(contentsOfFile: folder.file("\(run).html"), encoding: .utf8).contains("<svg"))
        }
        #expect(throws: CurricleError.self) { try RunPage(of: folder.file("nothing")) }

        for (format, name) in [(EncoderWeights.Format.timm, "timm.safetensors"), (.mae, "mae.safetensors"), (.huggingFace, "hf")] {
            try weights.export(as: format, to: folder.file(name))
            let exported = try ImageEncoder(EncoderWeights(folder.file(name), heads: 2)).features(of: images)
            #expect(exported == features, "\(format)")
        }
    }
}
