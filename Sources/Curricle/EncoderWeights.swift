internal import CurricleEngine
internal import CurricleWeights

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
    /// What was assumed where the file is silent, and what of it was left out; empty where there is nothing to say.
    public let notes: [String]

    /// Looks at a file; the weights themselves are read when an encoder is made of them.
    /// - Parameters:
    ///   - path: a file, or a run's folder.
    ///   - key: as `teacher.backbone`, where a file holds several models.
    /// - Throws: ``CurricleError`` for what is no vision transformer that can be computed, with the reason.
    public init(_ path: String, key: String? = nil) throws(CurricleError) {
        let description = try CurricleError.wrapping {
            try WeightsDescription(
                Checkpoint(path: path, key: key), heads: nil, imageHeight: nil, imageWidth: nil)
        }
        let m = description.model
        (self.path, self.key) = (path, key)
        (imageSize, channels, width) = ((m.imageHeight, m.imageWidth), m.channels, m.embedWidth)
        notes = description.notes.map { $0.description }
    }

    public static func == (a: EncoderWeights, b: EncoderWeights) -> Bool { (a.path, a.key) == (b.path, b.key) }
}
