import CurricleGraph
import CurricleTensors

/// The parts of a model that a checkpoint may have or lack.
package enum ModelPart: String, Sendable, CaseIterable {
    case encoder, decoder, masker
    /// A classifier's last layer.
    case head
}

/// A parameter with what a checkpoint and an initialiser need to know of it.
package struct ModelParameter: Sendable {
    package enum InitialValue: Sendable, Hashable {
        case xavier, zeros, ones
        /// Normal of this deviation.
        case normal(Double)
        /// The fixed sin-cos positions, where they are trained on.
        case positions(rows: Int, columns: Int)
    }

    package let parameter: Parameter
    package let part: ModelPart
    /// Its name with `*` for the number of its block: `blocks.*.mlp.fc1.bias`.
    package let pattern: String
    /// Shape in the reference's checkpoints.
    package let referenceShape: [Int]
    package let initialValue: InitialValue
    /// Non-nil for the patch embedding: its columns are (row, column, channel) here and (channel, row, column) there.
    package let patch: (size: Int, channels: Int)?
    /// Whether a classifier may begin from a pretrained encoder that lacks it, and keep its initial values.
    package let isOptional: Bool

    /// Values in the reference's order, from ours.
    package func toReference(_ values: [Float]) -> [Float] { permuted(values, toReference: true) }
    /// Ours, from values in the reference's order.
    package func fromReference(_ values: [Float]) -> [Float] { permuted(values, toReference: false) }

    private func permuted(_ values: [Float], toReference: Bool) -> [Float] {
        guard let patch else { return values }
        let pixels = patch.size * patch.size, width = pixels * patch.channels
        var out = values
        for row in stride(from: 0, to: values.count, by: width) {
            for pixel in 0..<pixels {
                for channel in 0..<patch.channels {
                    let ours = row + pixel * patch.channels + channel, theirs = row + channel * pixels + pixel
                    if toReference { out[theirs] = values[ours] } else { out[ours] = values[theirs] }
                }
            }
        }
        return out
    }
}

/// Positions that training leaves as they are. PyTorch's modules hold them too, and so do checkpoints.
package struct FixedPositions: Sendable, Hashable {
    /// The reference's name, e.g. `pos_embed`.
    package let name: String
    package let part: ModelPart
    /// The grid of patches; none for a class token alone.
    package let rows: Int
    package let columns: Int
    package let width: Int

    /// [1, 1 + rows·columns, width], as checkpoints have it.
    package var shape: [Int] { [1, 1 + rows * columns, width] }
    /// The sin-cos ones, row by row, the class token's zeros first.
    package func values() -> [Float] { positionEmbedding(rows: rows, columns: columns, width: width) }
}

/// The parameters of a configuration under the reference's names: what describing all of the model declares, in the order of that
/// description, which files and memory keep.
package struct ModelParameters: Sendable {
    package let all: [ModelParameter]
    /// Positions that are no parameters.
    package let fixed: [FixedPositions]
    let parts: Parts
    let masker: any Masker
    /// Of the weights of the blocks' products.
    package let weights: ElementType
    private let byName: [String: Int]

    /// Which of a model's parts are wanted.
    package enum Parts: Sendable {
        case all, encoder
        /// The encoder, and the masker whose scores choose patches.
        case scoredEncoder
        /// The encoder, its positions and a linear head, all in one group.
        case classifier(ClassifierShape)

        package var isEncoder: Bool {
            switch self {
            case .encoder, .scoredEncoder: true
            case .all, .classifier: false
            }
        }
        var classifier: ClassifierShape? { if case .classifier(let shape) = self { shape } else { nil } }
    }

    /// - Precondition: the configuration has no `problem`, and the masker can be described for it.
    package init(
        _ configuration: ModelConfiguration, parts: Parts = .all, masker: any Masker = CurriculumMasker(), weights: ElementType = .float32
    ) {
        let declarations: Declarations
        do { declarations = try ModelBuilder.declarations(configuration, parts, masker, weights) } catch {
            preconditionFailure("\(error)")
        }
        self.parts = parts
        self.masker = masker
        self.weights = weights
        all = declarations.parameters
        fixed = declarations.fixed
        byName = declarations.byName
    }

    package subscript(_ name: String) -> ModelParameter? { byName[name].map { all[$0] } }
    package var parameters: [Parameter] { all.map(\.parameter) }
}

/// What layers have said so far of the parameters and positions that they use, in order of first use.
struct Declarations {
    private(set) var parameters: [ModelParameter] = []
    private(set) var fixed: [FixedPositions] = []
    private(set) var byName: [String: Int] = [:]

    /// - Throws: `GraphError` where another parameter has the name.
    mutating func declare(_ parameter: ModelParameter) throws(GraphError) {
        let name = parameter.parameter.name
        guard let known = byName[name] else {
            byName[name] = parameters.count
            return parameters.append(parameter)
        }
        guard parameters[known].parameter == parameter.parameter else {
            let both = "\(parameters[known].parameter) and \(parameter.parameter)"
            throw GraphError(operation: "parameter \(name)", problem: "is declared twice, as \(both)")
        }
    }

    mutating func declare(_ positions: FixedPositions) {
        if !fixed.contains(positions) { fixed.append(positions) }
    }
}
