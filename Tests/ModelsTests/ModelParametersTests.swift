import CurricleGraph
import CurricleModels
import Testing

@Suite("Model parameters")
struct ModelParametersTests {
    /// The reference's checkpoint keys and shapes (MAE and CL-MAE; fixed position embeddings left out).
    private func reference(_ c: ModelConfiguration) -> [String: [Int]] {
        let d = c.embedWidth, w = c.decoderWidth
        var keys: [String: [Int]] = [
            "cls_token": [1, 1, d], "mask_token": [1, 1, w], "masking_net.cls_token": [1, 1, d],
            "patch_embed.proj.weight": [d, c.channels, c.patchSize, c.patchSize], "patch_embed.proj.bias": [d]
        ]
        func norm(_ name: String, _ width: Int) { (keys["\(name).weight"], keys["\(name).bias"]) = ([width], [width]) }
        func linear(_ name: String, _ out: Int, _ depth: Int) { (keys["\(name).weight"], keys["\(name).bias"]) = ([out, depth], [out]) }
        func blocks(_ name: String, _ count: Int, _ width: Int) {
            for i in 0..<count {
                norm("\(name).\(i).norm1", width)
                linear("\(name).\(i).attn.qkv", 3 * width, width)
                linear("\(name).\(i).attn.proj", width, width)
                norm("\(name).\(i).norm2", width)
                linear("\(name).\(i).mlp.fc1", 4 * width, width)
                linear("\(name).\(i).mlp.fc2", width, 4 * width)
            }
        }
        blocks("blocks", c.depth, d)
        norm("norm", d)
        linear("decoder_embed", w, d)
        blocks("decoder_blocks", c.decoderDepth, w)
        norm("decoder_norm", w)
        linear("decoder_pred", c.patchSize * c.patchSize * c.channels, w)
        blocks("masking_net.blocks", 5, d)
        norm("masking_net.mlp_head.0", d)
        linear("masking_net.mlp_head.1", c.patches, d)
        return keys
    }

    @Test("presets have the reference's names and shapes", arguments: ModelConfiguration.presets.map(\.name))
    func presets(_ name: String) throws {
        let configuration = try #require(ModelConfiguration.preset(name)), parameters = ModelParameters(configuration)
        #expect(configuration.problem == nil)
        #expect(Dictionary(uniqueKeysWithValues: parameters.all.map { ($0.parameter.name, $0.referenceShape) }) == reference(configuration))
        for each in parameters.all {
            #expect(each.parameter.shape.reduce(1, *) == each.referenceShape.reduce(1, *))
            #expect(each.parameter.decays == (each.referenceShape.count > 1), "\(each.parameter.name)")
            #expect((each.parameter.group == .masker) == each.parameter.name.hasPrefix("masking_net."))
            #expect(each.parameter.sections == (each.parameter.name.contains("attn.qkv") ? 3 : 1))
        }
    }

    /// What weights, states and memory have kept in this order since the first file was written.
    @Test("parameters come in the order of files and memory")
    func order() {
        var c = ModelConfiguration(
            imageHeight: 8, imageWidth: 8, patchSize: 4, embedWidth: 8, depth: 1, heads: 1, decoderWidth: 8, decoderDepth: 1,
            decoderHeads: 1, maskerDepth: 1, maskerHeads: 1)
        func pairs(_ layers: String) -> [String] { layers.split(separator: " ").flatMap { ["\($0).weight", "\($0).bias"] } }
        func block(_ name: String) -> [String] {
            pairs(["norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"].map { "\(name).\($0)" }.joined(separator: " "))
        }
        let blocks = pairs("patch_embed.proj") + block("blocks.0")
        let decoder = pairs("decoder_embed") + ["mask_token"] + block("decoder_blocks.0") + pairs("decoder_norm decoder_pred")
        let masker = ["masking_net.cls_token"] + block("masking_net.blocks.0") + pairs("masking_net.mlp_head.0 masking_net.mlp_head.1")
        for (norm, isPooled) in [("norm", false), ("fc_norm", true)] {
            c.normalizesPooled = isPooled
            let encoder = ["cls_token"] + blocks + pairs(norm), all = ModelParameters(c)
            #expect(all.parameters.map(\.name) == encoder + decoder + masker)
            #expect(all.all.map(\.part) == encoder.map { _ in .encoder } + decoder.map { _ in .decoder } + masker.map { _ in .masker })
            #expect(all.fixed.map(\.name) == ["pos_embed", "decoder_pos_embed", "masking_net.pos_embed"])
            #expect(all.fixed.map(\.shape) == [[1, 5, 8], [1, 5, 8], [1, 1, 8]])
            #expect(ModelParameters(c, parts: .encoder).parameters.map(\.name) == encoder)
            let classifier = ModelParameters(c, parts: .classifier(ClassifierShape(classes: 3)))
            #expect(classifier.parameters.map(\.name) == ["cls_token", "pos_embed"] + blocks + pairs("\(norm) head"))
            let optional = ["pos_embed"] + (isPooled ? pairs("fc_norm") : []) + pairs("head")
            #expect(classifier.all.filter(\.isOptional).map(\.parameter.name) == optional)
            #expect(classifier.fixed.isEmpty)
        }
    }

    /// MAE's `util/lr_decay.py`: cls_token, pos_embed and patch_embed are layer 0, block i layer i + 1, the rest layer depth + 1;
    /// what has one dimension, and what `no_weight_decay` names (cls_token, pos_embed), does not decay.
    @Test("fine-tuning's rates fall from layer to layer; vectors, tokens and positions do not decay")
    func classifierRates() throws {
        let c = ModelConfiguration(imageHeight: 8, imageWidth: 8, patchSize: 4, embedWidth: 8, depth: 2, heads: 1)
        let all = ModelParameters(c, parts: .classifier(ClassifierShape(classes: 3, layerDecay: 0.5))).parameters
        for parameter in all {
            let name = parameter.name
            let begins = ["blocks.0.": 1, "blocks.1.": 2, "norm": 3, "head": 3], layer = begins.first { name.hasPrefix($0.key) }?.value ?? 0
            #expect(parameter.rateScale == [0.125, 0.25, 0.5, 1][layer], "\(name)")
            #expect(parameter.decays == (name.hasSuffix(".weight") && !name.contains("norm")), "\(name)")
            #expect(parameter.group == .classifier)
        }
    }

    @Test("whatever sizes have no problem can be described")
    func everySize() {
        var count = 0
        for (rows, columns, patch, channels) in [(1, 2, 1, 1), (2, 1, 3, 3), (3, 5, 4, 2), (1, 1, 2, 3)] {
            for (width, heads, maskerHeads) in [(4, 1, 1), (4, 4, 2), (20, 5, 4), (20, 3, 4), (12, 6, 5), (18, 6, 3)] {
                for (decoderWidth, decoderHeads, ratio) in [(4, 2, 1), (12, 3, 3), (12, 5, 4)] {
                    let c = ModelConfiguration(
                        imageHeight: rows * patch, imageWidth: columns * patch, patchSize: patch, channels: channels, embedWidth: width,
                        depth: 2, heads: heads, decoderWidth: decoderWidth, decoderDepth: 1, decoderHeads: decoderHeads, maskerDepth: 3,
                        maskerHeads: maskerHeads, mlpRatio: ratio)
                    guard c.problem == nil else { continue }
                    count += 1
                    let values = ModelParameters(c).parameters.reduce(0) { $0 + $1.shape.reduce(1, *) }
                    func blocks(_ count: Int, _ d: Int) -> Int { count * (4 * d + 4 * d * (d + 1) + ratio * d * (2 * d + 1) + d) }
                    let d = width, w = decoderWidth, p = c.patchWidth
                    let encoder = d + d * (p + 1) + blocks(2, d) + 2 * d, masker = d + blocks(3, d) + 2 * d + c.patches * (d + 1)
                    #expect(values == encoder + w * (d + 1) + w + blocks(1, w) + 2 * w + p * (w + 1) + masker)
                }
            }
        }
        #expect(count == 3 * 3 * 2)
    }

    @Test(
        "names tell the part, whatever the number of the block",
        arguments: [
            ("blocks.12.attn.qkv.bias", ModelPart.encoder), ("pos_embed", .encoder), ("fc_norm.weight", .encoder), ("norm.bias", .encoder),
            ("decoder_blocks.0.mlp.fc2.weight", .decoder), ("mask_token", .decoder), ("decoder_pos_embed", .decoder),
            ("masking_net.blocks.4.norm1.weight", .masker), ("masking_net.mlp_head.0.weight", .masker), ("head.bias", .head),
            ("blocks.x.norm1.weight", nil), ("blocks..norm1.weight", nil), ("blocks.0.norm3.weight", nil), ("blocks.*.norm1.weight", nil),
            ("masking_net.mlp_head.7.weight", nil), ("decoder_head.weight", nil), ("", nil)
        ])
    func parts(_ name: String, _ part: ModelPart?) {
        #expect(ReferenceNames.part(of: name) == part)
        #expect(ReferenceNames.contains(name) == (part != nil))
    }

    @Test("sizes of the reference's presets")
    func sizes() throws {
        let sizes = [
            ("base-p16", 16, 768, 12, 12), ("base-p8", 8, 768, 12, 12), ("large-p16", 16, 1024, 24, 16), ("huge-p14", 14, 1280, 32, 16)
        ]
        for (name, patch, width, depth, heads) in sizes {
            let c = try #require(ModelConfiguration.preset(name))
            #expect((c.imageHeight, c.imageWidth, c.patchSize, c.embedWidth) == (224, 224, patch, width))
            #expect((c.depth, c.heads, c.decoderWidth, c.decoderDepth, c.decoderHeads) == (depth, heads, 512, 8, 16))
            #expect((c.maskerDepth, c.maskerHeads, c.mlpRatio) == (5, 4, 4))
        }
    }

    @Test("the patch embedding's columns go from (row, column, channel) to (channel, row, column) and back")
    func columnOrder() throws {
        let c = ModelConfiguration(imageHeight: 12, imageWidth: 12, patchSize: 6, embedWidth: 8, depth: 1, heads: 1)
        let weight = try #require(ModelParameters(c)["patch_embed.proj.weight"]), values = (0..<8 * 108).map(Float.init)
        let theirs = weight.toReference(values)
        for (row, y, x, channel) in [(0, 0, 0, 1), (0, 0, 1, 0), (3, 5, 2, 2), (7, 5, 5, 2)] {
            #expect(theirs[row * 108 + channel * 36 + y * 6 + x] == values[row * 108 + (y * 6 + x) * 3 + channel])
        }
        #expect(weight.fromReference(theirs) == values)
        let other = try #require(ModelParameters(c)["decoder_pred.weight"]), untouched = [Float](repeating: 2, count: 108 * 512)
        #expect(other.toReference(untouched) == untouched)
    }

    @Test("initial values: Xavier's bound and variance, zeros, ones, tokens of deviation 0.02; a function of seed and name")
    func initialValues() throws {
        let c = ModelConfiguration(
            imageHeight: 24, imageWidth: 24, patchSize: 6, embedWidth: 40, depth: 1, heads: 2, decoderWidth: 1600, decoderDepth: 1)
        for each in ModelParameters(c).all {
            let values = each.initialValues(seed: 5), shape = each.parameter.shape, name = each.parameter.name
            #expect(values.count == shape.reduce(1, *))
            if name.contains("norm") || name.hasSuffix("mlp_head.0.weight") || name.hasSuffix("mlp_head.0.bias") {
                #expect(values.allSatisfy { $0 == (name.hasSuffix("weight") ? 1 : 0) }, "\(name)")
            } else if name.hasSuffix("bias") {
                #expect(values.allSatisfy { $0 == 0 }, "\(name)")
            } else if name.hasSuffix("token") {
                #expect(values.allSatisfy { abs($0) < 0.02 * 6 })
                if values.count >= 1600 { #expect(abs(deviation(values) - 0.02) < 0.002, "\(name)") }
            } else {
                let bound = (6.0 / Double(shape[0] + shape[1])).squareRoot()
                #expect(values.allSatisfy { abs(Double($0)) <= bound * (1 + 1e-6) }, "\(name)")
                #expect(abs(deviation(values) / (bound / 3.0.squareRoot()) - 1) < 0.1, "\(name)")
            }
            #expect(values == each.initialValues(seed: 5))
        }
        let weight = try #require(ModelParameters(c)["blocks.0.mlp.fc1.weight"])
        #expect(weight.initialValues(seed: 5) != weight.initialValues(seed: 6))
    }

    private func deviation(_ x: [Float]) -> Double {
        let values = x.map(Double.init), mean = values.reduce(0, +) / Double(values.count)
        return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot()
    }

    @Test("kept patches are int(L·(1 − ratio)) in Double as written")
    func kept() {
        let c = ModelConfiguration(imageHeight: 160, imageWidth: 80, embedWidth: 64, depth: 1, heads: 1)
        #expect(c.patches == 50)
        #expect(c.kept(maskRatio: 0.8) == 9)
        #expect(c.kept(maskRatio: 0.75) == 12)
    }

    @Test("sizes that do not divide are refused with their reason")
    func problems() {
        var c = ModelConfiguration(
            imageHeight: 42, imageWidth: 42, patchSize: 6, embedWidth: 40, depth: 2, heads: 5, decoderWidth: 36, decoderHeads: 3)
        #expect(c.problem == nil)
        c.imageWidth = 43
        #expect(c.problem?.contains("43") == true)
        c.imageWidth = 42
        c.heads = 3
        #expect(c.problem?.contains("3 heads") == true)
        c.heads = 5
        c.embedWidth = 50
        #expect(c.problem?.contains("divide by 4") == true)
        c.embedWidth = 40
        c.depth = 4096
        #expect(c.problem == nil)
        c.depth = 4097
        #expect(c.problem?.contains("depth 4097") == true)
    }
}
