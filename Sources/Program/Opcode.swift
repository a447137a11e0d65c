/// The kernels there are. A test compares this table with the C library's registry, name by name.
public enum Opcode: UInt32, Sendable, CaseIterable, Codable {
    case linear
    case transposePanels
    case linearWeightGradient
    case attention
    case attentionGradient
    case layerNorm
    case layerNormGradient
    case gelu
    case add
    case multiply
    case sigmoid
    case sigmoidGradient
    case selectRows
    case placeRows
    case prependRow
    case restoreTokens
    case columnSum
    case meanRows
    case scaleRows
    case rowDot
    case orderDescending
    case patchError
    case patchErrorGradient
    case mean
    case maskerTerms
    case maskerLoss
    case maskerLossGradient
    case guardFinite
    case sumSquares
    case clipScale
    case adamw
    case patchify
    case meanRowsGradient
    case crossEntropy
    case crossEntropyGradient
    case concatenate

    /// The kernel's name in the registry: `layer_norm_gradient` for `layerNormGradient`.
    public var kernelName: String {
        var out = ""
        for character in String(describing: self) {
            out += character.isUppercase ? "_" + character.lowercased() : String(character)
        }
        return out
    }
}
