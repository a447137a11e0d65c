import CurricleDatasets
import CurricleEngine
import CurricleSettings
import Synchronization
import CurricleTerminal
import CurricleVision
import CurricleWeights

/// Options that say which images are read and how files become pictures, shared by the commands that read them.
enum DataOptions {
    static let split = Option.value(
        "split", "PART", .word(of: ["train", "test", "all"]), "train, test or all, where the data has parts", fallback: "train")

    static func role(_ a: Arguments) throws -> DatasetRole {
        switch try a.string("split") {
        case "train": .train
        case "test": .test
        default: .all
        }
    }

    static let preprocess = Option.value(
        "preprocess", "KIND", .word(of: Preprocessing.self), Preprocessing.help, fallback: Preprocessing.reference.rawValue)

    static let passOrder = Option.value("resize", "KIND", .word(of: PassOrder.self), PassOrder.help, fallback: PassOrder.pillow13.rawValue)

    static func preprocessing(_ a: Arguments) throws -> Preprocessing { try a.choice("preprocess") }

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

    static let decoding = DecodeOptions.declared.options(DecodeOptions())

    /// - Parameters:
    ///   - size: the longer side of the model's images.
    ///   - channels: theirs.
    static func decoding(_ a: Arguments, size: Int, channels: Int) throws -> DecodeOptions {
        var options = DecodeOptions()
        try a.apply(DecodeOptions.declared, to: &options)
        options.settle(size: size, channels: channels)
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
