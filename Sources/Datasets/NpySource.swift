import CurricleVision

/// One .npy file of many images, [N, H, W, C] or [N, H, W] bytes; each image is read when it is asked for. Unlabelled.
struct NpySource: ImageSource {
    let count: Int
    let classNames: [ByteName] = []
    private let file: NpyFile
    private let size: (height: Int, width: Int, channels: Int)

    /// - Throws: `badArrayFile` for a shape that one picture [H, W, C] may have as well as grey ones [N, H, W].
    init(path: ByteName) throws(VisionError) {
        file = try NpyFile(path: path)
        let shape = file.shape
        guard (3...4).contains(shape.count) else {
            throw .badArrayFile(
                path: "\(path)",
                reason: shape.count == 2
                    ? "its shape \(shape) is one grey picture's: save it as \([1] + shape), or put it into a folder"
                    : "its shape is \(shape)")
        }
        if shape.count == 3, Self.mayBeOnePicture(shape) {
            throw .badArrayFile(
                path: "\(path)",
                reason:
                    "its shape \(shape) may be one picture of \(shape[0])×\(shape[1]) in \(shape[2]) channels, or \(shape[0]) grey "
                    + "ones of \(shape[1])×\(shape[2]): "
                    + "save it as \([1] + shape) or as \(shape + [1])")
        }
        count = shape[0]
        size = try file.imageSize(shape.dropFirst())
    }

    /// Whether [a, b, c] fits a picture of c channels: where c is a usual number of channels, or images of b×c would be strips.
    private static func mayBeOnePicture(_ shape: [Int]) -> Bool { shape[2] <= 4 || shape[2] <= 16 && shape[1] >= 4 * shape[2] }

    func label(at index: Int) -> Int? { nil }

    func name(at index: Int) -> ByteName { ByteName(file.path.bytes + "#\(index)".utf8) }

    func identity(at index: Int) -> ImageIdentity? { ImageIdentity(file: file.identity, place: index) }

    func bytesToRead(at index: Int) -> Int? { size.height * size.width * size.channels }

    func image(at index: Int) throws(VisionError) -> PixelImage {
        try check(index)
        let samples = size.height * size.width * size.channels
        return PixelImage(
            width: size.width, height: size.height, channels: size.channels, pixels: try file.samples(from: index * samples, count: samples)
        )
    }
}
