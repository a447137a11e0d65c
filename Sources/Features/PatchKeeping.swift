import CurricleEngine
import Foundation
import CurricleModels
import CurricleSettings
import CurricleStorage

/// Which patches of an image its features are computed of: a share of them, by a rule.
package struct PatchKeeping: Sendable {
    package enum Rule: String, Sendable, CaseIterable {
        /// Evenly spread: of half of them a chequerboard.
        case grid
        /// Patches of the largest variance.
        case contrast
        /// The same for every image, by a file of numbers.
        case map
        /// By a masker's scores.
        case masker
    }

    /// Of the patches, above 0, up to 1.
    package let share: Double
    package let rule: Rule
    /// With ``Rule/map``: a text file of a number a patch, the largest of which are kept. With ``Rule/masker``: weights with a masker, as
    /// `partner.safetensors` of a run.
    package let path: String?

    /// - Throws: `LearningError.configuration` where a rule lacks its file, or has one that it does not take.
    package init(share: Double, rule: Rule, map: String? = nil, masker: String? = nil) throws(LearningError) {
        (self.share, self.rule) = (share, rule)
        path = rule == .map ? map : rule == .masker ? masker : nil
        if rule == .map, map == nil { throw .configuration("\(.keepBy, rule.rawValue) needs \(.keepMap), a file of a number a patch") }
        if rule == .masker, masker == nil {
            throw .configuration("\(.keepBy, rule.rawValue) needs \(.keepMasker), weights with a masker as a run's partner.safetensors")
        }
        if rule != .map, map != nil { throw .configuration("\(.keepMap) goes with \(.keepBy, Rule.map.rawValue)") }
        if rule != .masker, masker != nil { throw .configuration("\(.keepMasker) goes with \(.keepBy, Rule.masker.rawValue)") }
    }

    var parts: ModelParameters.Parts { rule == .masker ? .scoredEncoder : .encoder }

    /// The weights of the masker.
    func masker() throws -> (any TensorSource)? { rule == .masker ? try path.map { try TensorFile(path: $0) } : nil }

    /// For a model.
    /// - Throws: `LearningError.file` for a map that is of other patches.
    func patches(of model: ModelConfiguration) throws -> KeptPatches {
        let count = max(1, min(model.patches, Int((share * Double(model.patches)).rounded())))
        switch rule {
        case .grid: return KeptPatches(count: count, rule: .fixed(KeptPatches.grid(rows: model.gridRows, columns: model.gridColumns)))
        case .contrast: return KeptPatches(count: count, rule: .contrast)
        case .masker: return KeptPatches(count: count, rule: .masker)
        case .map:
            let path = path ?? "",
                words = String(decoding: try FileReader(path: path).contents().withBytes { Array($0) }, as: UTF8.self)
                    .split(whereSeparator: \.isWhitespace)
            let numbers = words.compactMap { Float($0) }
            guard numbers.count == words.count, numbers.allSatisfy(\.isFinite) else {
                throw LearningError.file(path: path, reason: "holds something beside numbers: a number a patch is wanted")
            }
            guard numbers.count == model.patches else {
                throw LearningError.file(path: path, reason: "holds \(numbers.count) numbers, and an image has \(model.patches) patches")
            }
            return KeptPatches(count: count, rule: .fixed(numbers))
        }
    }
}
