import CurricleDatasets
import Foundation
import CurricleGraph
import CurricleModels
import CurricleRunSupport
import CurricleRuntime
import CurricleSettings
import CurricleTestSupport
import Testing
import CurricleVision
@testable import CurricleEngine
@testable import CurricleEvaluation
@testable import CurricleFeatures
@testable import CurricleReports
@testable import CurricleTrainer

/// A small model with weights of its own in a file.
private struct SmallFile {
    static let configuration = ModelConfiguration(
        imageHeight: 12, imageWidth: 12, patchSize: 4, channels: 1, embedWidth: 24, depth: 2, heads: 3, decoderWidth: 16, decoderDepth: 1,
        decoderHeads: 2,
        maskerDepth: 1)
    let model: ModelRuntime

    /// - Parameter seed: decides the weights, which are larger than fresh ones, so that attention and scores differ from place to place.
    init(_ path: String, seed: UInt64, normalized: Bool = false, masking: Masking = .learned) throws {
        var settings = PretrainSettings(
            model: SmallFile.configuration, step: StepOptions(maskRatio: 0.6, normalizedTargets: normalized, masking: masking),
            adamw: AdamW(),
            schedule: Schedule(epochs: 1, warmupEpochs: 0, learningRate: 1e-3), batchSize: 4,
            normalization: PixelNormalization(mean: [0.5], std: [0.25]))
        settings.seed = seed
        model = try ModelRuntime(SmallFile.configuration, trains: false, threads: 1, isa: .best)
        let given = GivenTensors(drawing: model.parameters.parameters, seed: seed)
        for (parameter, drawn) in zip(model.parameters.all, given.parameters) {
            model.set(parameter, in: model.session.parameters, parameter.toReference(drawn.values.map { 2 * $0 }))
        }
        try RunFiles(folder: "").saveWeights(settings, model, to: path)
    }

    /// The graph's results in Double.
    func evaluate(_ graph: Graph, _ images: HeldImages, order: [Float]? = nil) throws -> [String: [Double]] {
        var given = GivenTensors()
        given.inputs[.patches] = (0..<images.count).flatMap { images.patches(of: $0) }
        given.inputs[.order] = order
        given.parameters = model.parameters.all.map { ($0.parameter, $0.fromReference(model.values(of: $0, in: model.session.parameters))) }
        return try given.interpreter.evaluate(graph).results
    }

    func builder(_ images: Int) -> ModelBuilder { ModelBuilder(SmallFile.configuration, parameters: model.parameters, images: images) }
}

/// Images of which the second cannot be read.
private struct OneBroken: ImageSource {
    private let source = GeneratedImages(count: 9)
    var count: Int { 9 }
    var classNames: [ByteName] { [] }
    func label(at index: Int) -> Int? { nil }
    func name(at index: Int) -> ByteName { source.name(at: index) }
    func image(at index: Int) throws(VisionError) -> PixelImage {
        if index == 1 { throw .truncated(name: "\(name(at: 1))", reason: "its end is missing") }
        return try source.image(at: index)
    }
}

private func decoded(_ picture: Picture) throws -> PixelImage { try decodeImage(bytes: picture.png, name: "picture") }

struct PicturesTests {
    /// A grid of 2×2 patches of one pixel row each way, by hand: what is visible stays, what is removed comes from the prediction.
    @Test("panels are what they should") func panelsAreWhatTheyShould() {
        let pictures = PatchPictures(
            grid: PatchGrid(imageHeight: 2, imageWidth: 2, patchSize: 1, channels: 1),
            normalization: PixelNormalization(mean: [0], std: [1]))
        let truth: [Float] = [10, 20, 30, 40].map { $0 / 255 }, predicted: [Float] = [50, 60, 70, 300].map { $0 / 255 }
        let panels = pictures.reconstruction(truth, predicted, visible: [0, 2], normalized: false).map(\.pixels)
        #expect(panels == [[10, 20, 30, 40], [10, 128, 30, 128], [50, 60, 70, 255], [10, 60, 30, 255]])
    }

    /// Predictions of normalised patches: p · √(σ² + 1e-6) + μ, σ² unbiased, in Double.
    @Test("normalised predictions get the truths mean and deviation") func normalisedPredictionsGetTheTruthsMeanAndDeviation() {
        let grid = PatchGrid(imageHeight: 6, imageWidth: 9, patchSize: 3, channels: 2), width = grid.patchWidth
        var numbers = TestNumbers(seed: 4)
        let truth = numbers.next(grid.count * width).map { $0 * 3 + 1 }, predicted = numbers.next(grid.count * width)
        let shown = PatchPictures(grid: grid, normalization: .init(mean: [0.5], std: [0.25])).denormalized(predicted, by: truth)
        for patch in 0..<grid.count {
            let values = truth[(patch * width)..<((patch + 1) * width)].map(Double.init), mean = values.reduce(0, +) / Double(width)
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width - 1)
            for i in (patch * width)..<((patch + 1) * width) {
                #expect(abs(Double(shown[i]) - (Double(predicted[i]) * (variance + 1e-6).squareRoot() + mean)) < 1e-5)
            }
        }
    }

    @Test("a sheets column is found again") func aSheetsColumnIsFoundAgain() throws {
        let grid = PatchGrid(imageHeight: 40, imageWidth: 30, patchSize: 10, channels: 3), sheet = PictureSheet(grid)
        let rows = (0..<2).map { row in
            (0..<3).map { column in PixelImage(width: 30, height: 40, color: [UInt8(row * 100), UInt8(column * 50), 7]) }
        }
        let picture = try decoded(sheet.draw(rows))
        #expect(sheet.factor == 2)
        let column = try #require(sheet.column(1, of: picture, height: 40, width: 30))
        #expect(column.width == 64 && column.height == picture.height)
        func pixel(_ x: Int, _ y: Int) -> [UInt8] { Array(column.pixels[((y * column.width + x) * 3)..<((y * column.width + x) * 3 + 3)]) }
        #expect(
            pixel(0, 10) == [255, 255, 255] && pixel(4, 4) == [0, 50, 7] && pixel(63, 83) == [0, 50, 7] && pixel(30, 100) == [100, 50, 7])
        #expect(sheet.column(3, of: picture, height: 40, width: 30) == nil)
    }

    /// Against the interpreter in Double, for both kinds of masks and targets; and drawn as its predictions say.
    @Test("reconstruction is the references", arguments: [false, true], Masking.allCases)
    func reconstructionIsTheReferences(normalized: Bool, masking: Masking) throws {
        let folder = try TemporaryFolder(), path = folder.file("weights.safetensors"),
            file = try SmallFile(path, seed: 3, normalized: normalized)
        var choices = Reconstructor.Choices()
        choices.masking = masking
        let reconstructor = try Reconstructor(weights: path, choices, threads: 2, isa: .best)
        #expect(reconstructor.options.maskRatio == 0.6 && reconstructor.options.normalizedTargets == normalized)
        let images = try HeldImages(first: 5, of: GeneratedImages(count: 9), for: reconstructor.description), patches = 9, width = 16,
            kept = 3
        let result = try reconstructor.reconstruct(images)

        let memory = try Memory(bytes: 5 * patches * 4, purpose: "masks")
        _ = MaskDraws(reconstructor.description.model, maskRatio: 0.6, seed: 0).orders(
            masking, in: memory, row: 0, samples: Array(0..<5), epoch: 0)
        var builder = file.builder(5)
        let expected = try file.evaluate(
            builder.autoencoderStep(reconstructor.options, examined: true).graph, images,
            order: memory.integers.prefix(5 * patches).map(Float.init))
        let order = expected["order"] ?? memory.integers.prefix(5 * patches).map(Double.init), predictions = try #require(expected["pred"])
        let loss = try #require(expected["losses"]?.first)
        #expect(abs(result.error - loss) < 1e-5 * loss)
        #expect(abs(result.errors.reduce(0, +) / 5 - loss) < 1e-5 * loss)
        #expect(Set(result.errors).count == 5)

        // The third panel of image 2, pixel by pixel: 8 times as large as the image's, behind a border of 4.
        let truth = images.patches(of: 2).map(Double.init), picture = try decoded(result.picture)
        let visible = order[(2 * patches)..<(2 * patches + kept)].map { Int($0) }
        for patch in 0..<patches {
            let own = truth[(patch * width)..<((patch + 1) * width)], mean = own.reduce(0, +) / Double(width)
            let deviation = (own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width - 1) + 1e-6).squareRoot()
            for i in 0..<width {
                var value = predictions[(2 * patches + patch) * width + i]
                if normalized { value = value * deviation + mean }
                func level(_ value: Double) -> Double { min(255, max(0, (value * 0.25 + 0.5) * 255)) }
                let x = patch % 3 * 4 + i % 4, y = patch / 3 * 4 + i / 4
                func shown(_ column: Int) -> Double {
                    Double(picture.pixels[((4 + 2 * 100 + y * 8) * picture.width + 4 + column * 100 + x * 8) * 3])
                }
                #expect(abs(shown(2) - level(value)) < 0.51)
                #expect(abs(shown(3) - level(visible.contains(patch) ? own[patch * width + i] : value)) < 0.51)
                #expect(visible.contains(patch) ? abs(shown(1) - level(own[patch * width + i])) < 0.51 : shown(1) == 128)
            }
        }
    }

    /// Against softmax(q·kᵀ/√d) in Double of what the interpreter makes of the whole encoder before.
    @Test("attention is the references", arguments: [1, 2]) func attentionIsTheReferences(layer: Int) throws {
        let folder = try TemporaryFolder(), path = folder.file("weights.safetensors"), file = try SmallFile(path, seed: 5)
        let extractor = try FeatureExtractor(weights: path, threads: 2, isa: .best),
            images = try HeldImages(first: 11, of: GeneratedImages(count: 11), for: extractor.description)
        let found = try extractor.classAttention(images, layer: layer)
        var builder = file.builder(11)
        let qkv = try #require(try file.evaluate(builder.queriesKeysValues(layer: layer), images)["qkv"])
        let tokens = 10, width = 24, depth = 8
        #expect(found.count == 11 * 3 * 9)
        for image in 0..<11 {
            for head in 0..<3 {
                func row(_ token: Int, _ part: Int) -> ArraySlice<Double> {
                    let start = (image * tokens + token) * 3 * width + part * width + head * depth
                    return qkv[start..<(start + depth)]
                }
                let powers = (0..<tokens).map { token in
                    exp(zip(row(0, 0), row(token, 1)).reduce(0) { $0 + $1.0 * $1.1 } / 8.0.squareRoot())
                }
                for patch in 0..<9 {
                    // what float rounds in the logits
                    #expect(abs(Double(found[(image * 3 + head) * 9 + patch]) - powers[patch + 1] / powers.reduce(0, +)) < 1e-5)
                }
            }
        }
        #expect((found.max() ?? 0) > 2 * (found.min() ?? 0))
        let drawn = try extractor.attention(images, layer: layer)
        #expect(drawn.onPatches.count == 3 && drawn.onPatches.allSatisfy { $0 > 0 && $0 < 1 })
        #expect(drawn.picture.width == 4 + 5 * 100 && drawn.picture.height == 4 + 11 * 100)
        for layer in [0, 3] { #expect(throws: LearningError.self) { try extractor.attention(images, layer: layer) } }
    }

    /// Rows that lie along known directions: the columns of a reflection I − 2vvᵀ/|v|².
    @Test("principal components are found") func principalComponentsAreFound() throws {
        let v = [1.0, 2, 3, 4, 5, 6], squares = v.reduce(0) { $0 + $1 * $1 }
        let directions = (0..<6).map { i in (0..<6).map { j in (i == j ? 1 : 0) - 2 * v[i] * v[j] / squares } }
        let strengths = [5.0, 0.5, 3, 0, 2, 0.25], mean = [10.0, -3, 0, 1, 2, 100]
        let rows = directions.indices.flatMap { i in
            [1.0, -1].flatMap { sign in (0..<6).map { Float(mean[$0] + sign * strengths[i] * directions[i][$0]) } }
        }
        let found = try PrincipalComponents(rows: rows, width: 6, count: 3)
        let total = strengths.reduce(0) { $0 + $1 * $1 }
        for (place, expected) in [0, 2, 4].enumerated() {
            #expect(abs(found.shares[place] - strengths[expected] * strengths[expected] / total) < 1e-5)
            let largest = try #require(directions[expected].max { abs($0) < abs($1) })
            for column in 0..<6 {
                #expect(abs(found.directions[place][column] - (largest < 0 ? -1 : 1) * directions[expected][column]) < 1e-4)
            }
            for (row, value) in found.projected(rows)[place].enumerated() {
                let size = row / 2 == expected ? strengths[expected] : 0
                #expect(abs(abs(value) - size) < 1e-4)
            }
        }
        #expect(throws: FeaturesError.notFinite(row: 1)) { try PrincipalComponents(rows: [1, 2, .nan, 4], width: 2, count: 1) }
    }

    @Test("tokens become colours") func tokensBecomeColours() throws {
        let folder = try TemporaryFolder(), path = folder.file("weights.safetensors")
        _ = try SmallFile(path, seed: 6)
        let extractor = try FeatureExtractor(weights: path, threads: 1, isa: .best),
            images = try HeldImages(first: 10, of: GeneratedImages(count: 10), for: extractor.description)
        let one = try extractor.tokenColours(images), other = try extractor.tokenColours(images)
        #expect(one.picture == other.picture)
        #expect(one.picture.width == 4 + 8 * 100 && one.picture.height == 4 + 4 * 100)  // eight a row
        #expect(one.shares == one.shares.sorted(by: >) && one.shares.reduce(0, +) < 1)
        // All levels but for a hundredth at either end; equal values are middle grey.
        #expect(
            FeatureExtractor.levels((0...100).map(Double.init))
                == (0...100).map { UInt8((255 * min(1, max(0, (Double($0) - 1) / 98))).rounded()) })
        #expect(FeatureExtractor.levels([3, 3, 3]) == [128, 128, 128])
    }

    /// Columns follow the epochs as numbers, each with its own λ and the mask of its own weights.
    @Test("a film strip is in order") func aFilmStripIsInOrder() throws {
        let folder = try TemporaryFolder(), run = folder.file("run"), source = GeneratedImages(count: 6)
        try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
        for epoch in [10, 2, 100] { _ = try SmallFile("\(run)/checkpoint-\(epoch).safetensors", seed: UInt64(epoch)) }
        let log = [2, 10, 100].map { #"{"step":\#($0),"epoch":\#($0 - 1),"lr":0.1,"lambda_cl":\#(1 - Double($0) / 50)}"# }.joined(
            separator: "\n")
        try (log + "\n").write(toFile: run + "/log.jsonl", atomically: true, encoding: .utf8)
        let film = try MaskPictures(run: run, source, images: 4, most: 12, .init(), threads: 1, isa: .best)
        #expect(film.moments.map(\.epoch) == [2, 10, 100])
        #expect(film.moments.map(\.curriculum) == [0.96, 0.8, -1])
        let sheet = try decoded(film.picture), panels = PictureSheet(PatchGrid(imageHeight: 12, imageWidth: 12, patchSize: 4, channels: 1))
        #expect(sheet.width == 4 + 4 * 100 && sheet.height == 4 + 4 * 100)
        var columns: [[UInt8]] = []
        for (place, epoch) in [2, 10, 100].enumerated() {
            let one = try MaskPictures(
                files: ["\(run)/checkpoint-\(epoch).safetensors"], source, images: 4, .init(), threads: 1, isa: .best)
            let mask = try #require(panels.column(2, of: decoded(one.picture), height: 12, width: 12))
            columns.append(mask.pixels)
            #expect(panels.column(place + 1, of: sheet, height: 12, width: 12) == mask)
            #expect(one.moments[0].errorRatio == film.moments[place].errorRatio && one.moments[0].maskedError > 0)
        }
        #expect(Set(columns).count == 3)
        #expect(try MaskPictures(run: run, source, images: 4, most: 2, .init(), threads: 1, isa: .best).moments.map(\.epoch) == [2, 100])
        #expect(spread(Array(0..<10), most: 4) == [0, 3, 6, 9] && spread([1, 2], most: 5) == [1, 2])
    }

    @Test("what a file lacks is named") func whatAFileLacksIsNamed() throws {
        let folder = try TemporaryFolder()
        func problem(_ path: String, _ change: (inout Reconstructor.Choices) -> Void = { _ in }) -> String {
            var choices = Reconstructor.Choices()
            change(&choices)
            do { _ = try Reconstructor(weights: path, choices, threads: 1, isa: .best) } catch { return "\(error)" }
            return ""
        }
        let noDecoder = problem(checkpointFixture("timm.pth")) { $0.heads = 4 }
        #expect(noDecoder.contains("timm.pth") && noDecoder.contains("has no decoder") && noDecoder.contains("decoder_embed.weight"))
        #expect(problem(checkpointFixture("mae.pth")) { $0.heads = 4 }.contains("give decoder-num-heads"))
        #expect(
            problem(checkpointFixture("mae.pth")) { ($0.heads, $0.decoderHeads, $0.masking) = (4, 4, .learned) }.contains("has no masker"))
        #expect(
            problem(checkpointFixture("mae.pth")) { ($0.heads, $0.decoderHeads, $0.normalizedTargets) = (4, 4, false) }.contains(
                "norm-pix-loss true"))
        #expect(
            problem(checkpointFixture("mae.pth")) { ($0.heads, $0.decoderHeads, $0.maskRatio) = (4, 4, 0.99) }.contains(
                "mask ratio 0.99 keeps 0"))
        #expect(problem(checkpointFixture("mae.pth")) { ($0.heads, $0.decoderHeads) = (4, 4) } == "")
        // A run with random masks has a masker that nobody trained.
        let plain = folder.file("plain.safetensors")
        _ = try SmallFile(plain, seed: 1, masking: .random)
        #expect(try Reconstructor(weights: plain, .init(), threads: 1, isa: .best).options.masking == .random)
        #expect(problem(plain) { $0.masking = .learned }.contains("trained with random masks"))
        let learned = folder.file("learned.safetensors")
        _ = try SmallFile(learned, seed: 1)
        #expect(problem(learned) { ($0.imageHeight, $0.imageWidth) = (16, 16) }.contains("scores 9 patches"))
        let run = #expect(throws: LearningError.self) {
            try MaskPictures(run: folder.path, GeneratedImages(count: 2), images: 2, most: 3, .init(), threads: 1, isa: .best)
        }
        #expect(run?.description.contains("checkpoint-N") == true)
    }

    @Test("images that cannot be read are named") func imagesThatCannotBeReadAreNamed() throws {
        let folder = try TemporaryFolder(), path = folder.file("weights.safetensors")
        _ = try SmallFile(path, seed: 1)
        try FileManager.default.createDirectory(atPath: folder.file("photos"), withIntermediateDirectories: true)
        try folder.write("photos/a.png", [1, 2, 3])
        let description = try Reconstructor(weights: path, .init(), threads: 1, isa: .best).description
        #expect(throws: VisionError.self) {
            try HeldImages(first: 3, of: openDataset(at: folder.file("photos"), role: .train), for: description)
        }
        let images = try HeldImages(first: 3, of: OneBroken(), for: description)
        #expect(images.samples == [0, 2, 3] && images.broken.count == 1 && images.broken[0].contains("generated#1"))
    }
}

@Test("rank correlation is Spearman's, equal numbers sharing the mean of their ranks")
func spearman() {
    #expect(rankCorrelation([1, 2, 3], [10, 20, 90]) == 1 && rankCorrelation([1, 2, 3], [3, 2, 1]) == -1)
    // scipy.stats.spearmanr([1, 2, 2, 4, 5], [2, 1, 4, 3, 5]) = 0.66688…
    #expect(abs(rankCorrelation([1, 2, 2, 4, 5], [2, 1, 4, 3, 5]) - 0.6668859288553502) < 1e-12)
    #expect(rankCorrelation([1, 1, 1], [1, 2, 3]) == 0)
}
