import Weights
import Engine
import Settings
import Terminal
import Vision

/// Options that say which images are read and how files become pictures, shared by the commands that read them.
enum DataOptions {
    static let split = Option.value(
        "split", "PART", .word(of: ["train", "test"]), "train or test, where the data has parts", fallback: "train")

    static func role(_ a: Arguments) throws -> DatasetRole { try a.string("split") == "train" ? .train : .test }

    static let decoding = DecodeOptions.declared.options(DecodeOptions())

    /// - Parameter size: the longer side of the model's images.
    static func decoding(_ a: Arguments, size: Int) throws -> DecodeOptions {
        var options = DecodeOptions()
        try a.apply(DecodeOptions.declared, to: &options)
        options.settle(size: size)
        return options
    }
}

/// The test part of data, where it has one apart from its training part.
func testPart(of path: String, _ decoding: DecodeOptions, besides train: any ImageSource) -> (any ImageSource)? {
    guard let test = try? openDataset(at: path, role: .test, decoding: decoding), test.name(at: 0) != train.name(at: 0) else { return nil }
    return test
}
