import Learning
import Synchronization
import Terminal
import Vision

/// Options that say how image files become pictures, shared by the commands that read them.
enum DataOptions {
    static let split = Option.value("split", "PART", "train, test or all, where the data has parts", fallback: "train")

    static func role(_ a: Arguments) throws -> DatasetRole {
        switch try a.choice("split", of: ["train", "test", "all"]) {
        case "train": .train
        case "test": .test
        default: .all
        }
    }

    static func preprocessing(_ a: Arguments) throws -> Preprocessing {
        switch try a.choice("preprocess", of: ["eval", "fit", "none"]) {
        case "eval": .reference
        case "fit": .unlessFitting
        default: .none
        }
    }

    /// Opens a dataset and says what of it was passed over.
    static func open(_ path: String, role: DatasetRole, _ decoding: DecodeOptions) throws -> any ImageSource {
        let source = try openDataset(at: ByteName(stored: path), role: role, decoding: decoding)
        say(source.notes)
        return source
    }

    private static let said = Mutex<Set<String>>([])

    /// Complains of each line once, however often the same data is opened.
    static func say(_ notes: [String]) {
        for note in notes where said.withLock({ $0.insert(note).inserted }) { complain(note) }
    }

    static func decoding(section: String = "Options") -> [Option] {
        [
            .flag("apply-orientation", "turn photographs upright by their EXIF orientation, which the reference ignores", section: section),
            .value("background", "COLOUR", "#rrggbb, white or black: put it under what is transparent, instead of dropping the alpha", section: section),
            .flag("fast-decode", "read JPEGs at 1/2, 1/4 or 1/8 of their size where the shorter side stays at least twice the model's", section: section),
        ]
    }

    /// - Parameters:
    ///   - size: the longer side of the model's images.
    ///   - channels: theirs.
    static func decoding(_ a: Arguments, size: Int, channels: Int) throws -> DecodeOptions {
        var options = DecodeOptions(appliesOrientation: try a.flag("apply-orientation"), fastDecode: try a.flag("fast-decode") ? 2 * size : nil, channels: channels)
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
/// - Throws: what is wrong with a test part that is there.
func testPart(of path: String, _ decoding: DecodeOptions, besides train: any ImageSource) throws -> (any ImageSource)? {
    let test: any ImageSource
    do {
        test = try openDataset(at: ByteName(stored: path), role: .test, decoding: decoding)
    } catch {
        if case .missingRole = error { return nil }
        throw error
    }
    guard test.name(at: 0) != train.name(at: 0) else { return nil }
    DataOptions.say(test.notes)
    return test
}
