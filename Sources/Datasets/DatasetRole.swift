import CurricleVision

/// Which part of a dataset is meant.
package enum DatasetRole: Sendable, CaseIterable {
    case train, test
    /// Every part there is.
    case all

    /// Names of folders that hold this part, the customary first.
    var spellings: [String] {
        switch self {
        case .train: ["train", "training", "trn"]
        case .test: ["test", "testing", "val", "valid", "validation", "eval", "evaluation", "dev", "tst"]
        case .all: DatasetRole.train.spellings + DatasetRole.test.spellings + ["unlabeled", "unlabelled"]
        }
    }

    /// How well a folder's name says that it holds this part: its place among the spellings; nil where it does not.
    ///
    /// Case does not count, nor do a word like "set" or "images" behind it and what joins them: `Train`, `test_set`, `validation-images`;
    /// nor what is joined to the customary words before them: `seg_train`, `seg_test`.
    func rank(of folder: ByteName) -> Int? {
        let last = folder.lowercased.bytes.split(whereSeparator: { "_- .".utf8.contains($0) }).last.map {
            String(decoding: $0, as: UTF8.self)
        }
        if let last, ["train", "test", "val"].contains(last), let rank = spellings.firstIndex(of: last) { return rank }
        var name = String(decoding: folder.lowercased.bytes.filter { !"_- .".utf8.contains($0) }, as: UTF8.self)
        if let rank = spellings.firstIndex(of: name) { return rank }
        guard let word = ["set", "data", "images", "imgs", "split"].first(where: name.hasSuffix) else { return nil }
        name.removeLast(word.count)
        return spellings.firstIndex(of: name)
    }

    /// How the names of MNIST-style image files begin.
    var indexPrefixes: [String] {
        switch self {
        case .train: ["train-images"]
        case .test: ["t10k-images", "test-images"]
        case .all: DatasetRole.train.indexPrefixes + DatasetRole.test.indexPrefixes
        }
    }

    var name: String {
        switch self {
        case .train: "train"
        case .test: "test"
        case .all: "all"
        }
    }

    /// The parts that it is not.
    var others: [DatasetRole] {
        switch self {
        case .train: [.test]
        case .test: [.train]
        case .all: []
        }
    }
}
