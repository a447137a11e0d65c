/// One .npy file of many images, [N, H, W, C] or [N, H, W] bytes; each image is read when it is asked for. Unlabelled.
struct NpySource: ImageSource {
    let count: Int
    let classNames: [String] = []
    private let file: NpyFile
    private let size: (height: Int, width: Int, channels: Int)

    init(path: String) throws(VisionError) {
        file = try NpyFile(path: path)
        guard (3...4).contains(file.shape.count) else {
            throw .badArrayFile(path: path, reason: "its shape is \(file.shape)")
        }
        count = file.shape[0]
        size = try file.imageSize(file.shape.dropFirst())
    }

    func label(at index: Int) -> Int? { nil }

    func name(at index: Int) -> String { "\(file.path)#\(index)" }

    func image(at index: Int) throws(VisionError) -> PixelImage {
        try check(index)
        let samples = size.height * size.width * size.channels
        return PixelImage(width: size.width, height: size.height, channels: size.channels, pixels: try file.samples(from: index * samples, count: samples))
    }
}
