import CurricleEngine
import CurricleEvaluation
import CurricleFeatures
import Foundation
import CurricleModels
import CurricleRuntime
import CurricleTensors
import CurricleTrainer
import CurricleVision

/// Where the class token looks, and what the patch tokens have in common.
extension FeatureExtractor {
    private var pictures: PatchPictures {
        get throws {
            let m = description.model
            let grid = try m.grid
            return PatchPictures(grid: grid, normalization: description.normalization)
        }
    }

    /// Images computed at a time.
    private static let batch = 8

    /// What the class token attends to.
    package struct Attention {
        /// A row an image: the image, a heat map for each head, and the heads' mean. Each map has its own colour scale.
        package let picture: Picture
        /// Each head's mean share of attention on the patches, the rest being on the class token itself: [H].
        package let onPatches: [Double]
    }

    /// - Parameter layer: the encoder's block, from 1; nil for the last.
    /// - Throws: `LearningError.configuration` for a layer that it has not.
    package func attention(_ images: HeldImages, layer: Int? = nil, progress: (Int, Int) -> Void = { _, _ in }) throws -> Attention {
        let m = description.model, pictures = try pictures,
            weights = try classAttention(images, layer: layer ?? m.depth, progress: progress)
        var onPatches = [Double](repeating: 0, count: m.heads)
        let rows = (0..<images.count).map { image -> [PixelImage] in
            var mean = [Float](repeating: 0, count: m.patches)
            let maps = (0..<m.heads).map { head -> PixelImage in
                let start = (image * m.heads + head) * m.patches, map = weights[start..<(start + m.patches)]
                onPatches[head] += map.reduce(0) { $0 + Double($1) } / Double(images.count)
                for (i, weight) in map.enumerated() { mean[i] += weight / Float(m.heads) }
                return pictures.heat(map)
            }
            return [pictures.image(images.patches(of: image))] + maps + [pictures.heat(mean)]
        }
        return Attention(picture: try PictureSheet(images.grid).draw(rows), onPatches: onPatches)
    }

    /// Attention of the class token to the patches, [N, H, L].
    func classAttention(_ images: HeldImages, layer: Int, progress: (Int, Int) -> Void = { _, _ in }) throws -> [Float] {
        let m = description.model
        try description.requireLayer(layer)
        try description.requireClassToken()
        var weights: [Float] = []
        try images.batches(images: images.count, of: FeatureExtractor.batch, progress: progress) { range, patches in
            let executable = try model.executable(.queriesKeysValues(images: range.count, layer: layer))
            _ = try model.session.run(executable, [.patches: .memory(patches)])
            weights += FeatureExtractor.classAttention(
                try model.result("qkv", of: executable), images: range.count, leading: m.leadingTokens, patches: m.patches,
                width: m.embedWidth,
                heads: m.heads)
        }
        guard weights.allSatisfy(\.isFinite) else { throw LearningError.nonfinite("attention is not finite: check the weights") }
        return weights
    }

    /// The first principal components of the patch tokens as colours.
    package struct TokenColours {
        /// Rows of images above rows of their tokens: the first three components of all of them together as red, green and blue.
        package let picture: Picture
        /// Share of the variance along each of the three.
        package let shares: [Double]
    }

    package func tokenColours(_ images: HeldImages, progress: (Int, Int) -> Void = { _, _ in }) throws -> TokenColours {
        let m = description.model, pictures = try pictures
        var tokens: [Float] = []
        try images.batches(images: images.count, of: FeatureExtractor.batch, progress: progress) { range, patches in
            let executable = try model.features(images: range.count, [.tokens])
            _ = try model.session.run(executable, [.patches: .memory(patches)])
            tokens += try model.result("tokens", of: executable)
        }
        let components = try PrincipalComponents(rows: tokens, width: m.embedWidth, count: 3)
        let colours = components.projected(tokens).map { FeatureExtractor.levels($0) }
        let rows = (0..<images.count).map { image -> [PixelImage] in
            let pixels = ((image * m.patches)..<((image + 1) * m.patches)).flatMap { token in colours.map { $0[token] } }
            let small = PixelImage(width: m.gridColumns, height: m.gridRows, channels: 3, pixels: pixels)
            return [pictures.image(images.patches(of: image)), scaled(small, by: m.patchSize)]
        }
        // Images beside one another: tokens are compared along a row.
        let sheet = blocks(of: rows.count, size: FeatureExtractor.batch).flatMap { range in
            [range.map { rows[$0][0] }, range.map { rows[$0][1] }]
        }
        return TokenColours(picture: try PictureSheet(images.grid).draw(sheet), shares: components.shares)
    }

    /// Values as levels 0…255, from the first hundredth of them to the last: a few far away do not take the others' contrast.
    package static func levels(_ values: [Double]) -> [UInt8] {
        let sorted = values.sorted()
        guard let least = sorted.first, let most = sorted.last else { return [] }
        let (low, high) = (sorted[sorted.count / 100], sorted[sorted.count - 1 - sorted.count / 100])
        // Rounding alone is no difference.
        guard high - low > 1e-9 * max(abs(least), abs(most)) else { return values.map { _ in 128 } }
        return values.map { UInt8((255 * min(1, max(0, ($0 - low) / (high - low)))).rounded()) }
    }

    /// Attention of the class token to the patches, softmax(q·kᵀ / √d) over all tokens: [N, H, L].
    /// - Parameter qkv: [N, T, 3D], the class token first, then registers, then the patches; heads are ranges of D / H columns.
    private static func classAttention(_ qkv: [Float], images: Int, leading: Int, patches: Int, width: Int, heads: Int) -> [Float] {
        let depth = width / heads, scale = 1 / Double(depth).squareRoot(), tokens = leading + patches
        var out: [Float] = []
        out.reserveCapacity(images * heads * patches)
        for image in 0..<images {
            for head in 0..<heads {
                let query = image * tokens * 3 * width + head * depth
                let logits = (0..<tokens).map { token -> Double in
                    let key = (image * tokens + token) * 3 * width + width + head * depth
                    return scale * (0..<depth).reduce(0.0) { $0 + Double(qkv[query + $1]) * Double(qkv[key + $1]) }
                }
                let largest = logits.max() ?? 0, powers = logits.map { exp($0 - largest) }, sum = powers.reduce(0, +)
                out += powers.dropFirst(leading).map { Float($0 / sum) }
            }
        }
        return out
    }
}
