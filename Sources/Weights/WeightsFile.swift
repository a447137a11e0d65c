import CurricleEngine
import Foundation
import CurricleGraph
import CurricleModels
import CurricleRuntime
import CurricleSettings
import CurricleStorage
import CurricleVision

/// Weights under the reference's names, as PyTorch reads them.
package enum WeightsFile {
    /// A tensor to be written: its name, shape, and where its values come from.
    package typealias Source = (name: String, shape: [Int], values: () throws -> [Float])

    /// All parameters, and the fixed position embeddings that PyTorch's modules hold too.
    package static func tensors(of model: ModelRuntime) -> [Source] {
        model.parameters.all.map { parameter in
            (parameter.parameter.name, parameter.referenceShape, { model.values(of: parameter, in: model.session.parameters) })
        } + model.parameters.fixed.map(source)
    }

    package static func source(_ positions: FixedPositions) -> Source { (positions.name, positions.shape, { positions.values() }) }

    package static func write(_ tensors: [Source], metadata: [String: String], to path: String) throws {
        let sources = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.values) })
        var writer = try TensorFileWriter(path: path, tensors: tensors.map { .init(name: $0.name, shape: $0.shape) }, metadata: metadata)
        for declaration in writer.order { try writer.write(declaration.name, try sources[declaration.name]?() ?? []) }
        try writer.finish()
    }

    /// How an imported file's positions go to another grid, where it is not as the reference does it.
    static let resamplingKey = "curricle.positions"

    package static func json(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    /// A tensor's values, its shape checked.
    package static func values(_ file: some TensorSource, _ name: String, _ parameter: ModelParameter) throws -> [Float] {
        guard let shape = file.shape(of: name) else { throw TensorFileError.missingTensor(path: file.path, name: name) }
        guard shape == parameter.referenceShape else {
            throw LearningError.file(
                path: file.path, reason: "tensor \(name) has shape \(shape), but the model needs \(parameter.referenceShape)")
        }
        return try file.floats(name)
    }

    /// The configuration that this project's files carry.
    static func ownConfiguration(_ file: Checkpoint) -> ModelConfiguration? {
        file.metadata["curricle.model"].flatMap { try? JSONDecoder().decode(ModelConfiguration.self, from: Data($0.utf8)) }
    }

    /// Fills all of a model's parameters from a file.
    /// - Parameters:
    ///   - beginsOptional: whether those that a file may lack begin with their initial values, where it does.
    ///   - masker: where the masker's are; nil for the same file.
    /// - Throws: `LearningError.file` naming the tensors that are missing, or one of a wrong shape with both shapes.
    package static func load(
        _ file: some TensorSource, into model: ModelRuntime, beginsOptional: Bool = false, masker: (any TensorSource)? = nil
    ) throws {
        for (isMasker, source) in [(false, file as any TensorSource), (true, masker ?? file)] {
            let own = model.parameters.all.filter { ($0.part == .masker) == isMasker }
            let fresh = own.filter { beginsOptional && $0.isOptional && source.shape(of: $0.parameter.name) == nil }.map(\.parameter.name)
            try requireAll(own.filter { !fresh.contains($0.parameter.name) }, in: source)
            for parameter in own {
                let isFresh = fresh.contains(parameter.parameter.name)
                model.set(
                    parameter, in: model.session.parameters,
                    try isFresh ? parameter.initialValues(seed: 0) : values(source, parameter.parameter.name, parameter))
            }
        }
    }

    /// Fills the encoder, and the decoder and the masker where the file has them.
    /// - Returns: what was left as it is, for a person to read.
    package static func loadParts(_ file: some TensorSource, into model: ModelRuntime) throws -> [String] {
        let names = Set(file.names)
        var kept: [String] = []
        for part in ModelPart.allCases {
            let parameters = model.parameters.all.filter { $0.part == part }
            if parameters.isEmpty { continue }
            if part != .encoder, !parameters.contains(where: { names.contains($0.parameter.name) }) {
                kept.append(part.rawValue)
                continue
            }
            try requireAll(parameters, in: file)
            for parameter in parameters {
                model.set(parameter, in: model.session.parameters, try values(file, parameter.parameter.name, parameter))
            }
        }
        return kept
    }

    package static func requireAll(_ parameters: [ModelParameter], in file: some TensorSource) throws {
        let missing = parameters.map(\.parameter.name).filter { file.shape(of: $0) == nil }
        guard missing.isEmpty else {
            throw LearningError.file(path: file.path, reason: "lacks \(listed(missing)): is it a checkpoint of this kind of model?")
        }
    }

    /// The first few names and how many there are besides.
    package static func listed(_ names: [String]) -> String {
        names.prefix(4).joined(separator: ", ") + (names.count > 4 ? " and \(names.count - 4) more" : "")
    }
}
