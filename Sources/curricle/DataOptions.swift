import Engine
import Terminal
import Vision

/// Options that say how image files become pictures, shared by the commands that read them.
enum DataOptions {
    static let split = Option.value("split", "PART", "train or test, where the data has parts", fallback: "train")

    static func role(_ a: Arguments) throws -> DatasetRole { try a.choice("split", of: ["train", "test"]) == "train" ? .train : .test }

    static func decoding(section: String = "Options") -> [Option] {
        [
            .flag("apply-orientation", "turn photographs upright by their EXIF orientation, which the reference ignores", section: section),
            .value("background", "COLOUR", "#rrggbb, white or black: put it under what is transparent, instead of dropping the alpha", section: section),
            .flag("fast-decode", "read JPEGs at 1/2, 1/4 or 1/8 of their size where the shorter side stays at least twice the model's", section: section),
        ]
    }

    /// - Parameter size: the longer side of the model's images.
    static func decoding(_ a: Arguments, size: Int) throws -> DecodeOptions {
        var options = DecodeOptions(appliesOrientation: try a.flag("apply-orientation"), fastDecode: try a.flag("fast-decode") ? 2 * size : nil)
        if let text = try a.stringIfGiven("background") {
            guard let color = BackgroundColor(text) else {
                throw LearningError.configuration("--background \(text) is not a colour: write #rrggbb, white or black")
            }
            options.background = color
        }
        return options
    }
}

/// The test part of data, where it has one apart from its training part.
func testPart(of path: String, _ decoding: DecodeOptions, besides train: any ImageSource) -> (any ImageSource)? {
    guard let test = try? openDataset(at: path, role: .test, decoding: decoding), test.name(at: 0) != train.name(at: 0) else { return nil }
    return test
}
