internal import CurricleEngine
package import CurricleWeights

/// A vision transformer's weights on the disk: a run's folder, MAE's or CL-MAE's files, timm's, Hugging Face's (ViT, ViTMAE, DeiT, DINOv2), as
/// safetensors or `.pth`. Nothing in a file is executed.
public struct EncoderWeights: Sendable, Equatable {
    /// The file, or the folder that stands for it.
    public let path: String
    /// Which of several models of the file, by the keys before its tensors' names; nil for the only one.
    public let key: String?
    /// Pixels, height and width of the images that the encoder was made for.
    public let imageSize: (height: Int, width: Int)
    /// Of an image: 1 for grey, 3 for colour.
    public let channels: Int
    /// D, numbers of a token.
    public let width: Int
    /// Of the encoder's attention, from 1; a width divides by it.
    public let heads: Int
    /// What was assumed where the file is silent, and what of it was left out; empty where there is nothing to say.
    public let notes: [String]

    /// Looks at a file; the weights themselves are read when an encoder is made of them.
    /// - Parameters:
    ///   - path: a file, or a run's folder.
    ///   - key: as `teacher.backbone`, where a file holds several models.
    ///   - heads: of the attention, where the file does not say (timm's do not, of widths that no published model has).
    /// - Throws: ``CurricleError`` for what is no vision transformer that can be computed, with the reason.
    public init(_ path: String, key: String? = nil, heads: Int? = nil) throws(CurricleError) {
        let description = try CurricleError.wrapping {
            try WeightsDescription(
                Checkpoint(path: path, key: key), heads: heads, imageHeight: nil, imageWidth: nil)
        }
        let m = description.model
        (self.path, self.key) = (path, key)
        (imageSize, channels, width, self.heads) = ((m.imageHeight, m.imageWidth), m.channels, m.embedWidth, m.heads)
        notes = description.notes.map { $0.description }
    }

    /// What other programs read.
    public enum Format: Sendable, Hashable, CaseIterable {
        /// MAE's names, encoder and what else there is.
        case mae
        /// timm's names, the encoder, which its `load_state_dict` takes strictly.
        case timm
        /// Hugging Face's: a folder with `config.json`, encoder and what else there is.
        case huggingFace
        /// ONNX, `pixel_values` [N, C, H, W] to `last_hidden_state` [N, 1 + L, D].
        case onnx
    }

    /// Writes the weights for another program. MAE's published weights are CC-BY-NC 4.0, and so is what comes of them.
    /// - Parameters:
    ///   - format: whose.
    ///   - path: the file, replaced whole or not at all; a folder for Hugging Face's.
    /// - Throws: ``CurricleError`` where the weights are not whole, or the file cannot be written.
    public func export(as format: Format, to path: String) throws(CurricleError) {
        try CurricleError.wrapping {
            let file = try file(), contents = try CheckpointContents(file, description(of: file))
            let written: CheckpointExport.Format =
                switch format {
                case .mae: .mae
                case .timm: .timm
                case .huggingFace: .hf
                case .onnx: .onnx
                }
            _ = try CheckpointExport.write(contents, written, part: nil, to: path)
        }
    }

    package func file() throws -> Checkpoint { try Checkpoint(path: path, key: key) }
    package func description(of file: Checkpoint) throws -> WeightsDescription {
        try WeightsDescription(file, heads: heads, imageHeight: nil, imageWidth: nil)
    }

    /// Whether both are the same file, and of it the same model.
    public static func == (a: EncoderWeights, b: EncoderWeights) -> Bool { (a.path, a.key, a.heads) == (b.path, b.key, b.heads) }
}
