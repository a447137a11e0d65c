import CurricleVision

extension RecordSource {
    /// CIFAR-10 or CIFAR-100's binary version.
    ///
    /// Source: the datasets' page: 3072 bytes of 32×32 planes behind one label byte (CIFAR-10) or two, coarse and fine (CIFAR-100: the fine
    /// one counts).
    private struct CIFAR {
        let train: [String]
        let test: [String]
        let classesFile: String
        let classes: Int
        let labelBytes: Int

        static let versions = [
            CIFAR(
                train: (1...5).map { "data_batch_\($0).bin" }, test: ["test_batch.bin"], classesFile: "batches.meta.txt", classes: 10,
                labelBytes: 1),
            CIFAR(train: ["train.bin"], test: ["test.bin"], classesFile: "fine_label_names.txt", classes: 100, labelBytes: 2)
        ]

        func files(_ role: DatasetRole) -> [String] { role == .train ? train : test }
    }

    /// STL-10's binary version: 96×96 planes, column by column, with labels from 1 in a file of their own.
    private enum STL {
        static let layout = Layout(recordBytes: 3 * 96 * 96, pixelOffset: 0, side: 96, isColumnMajor: true)
        static func images(_ role: DatasetRole) -> String { "\(role.name)_X.bin" }
    }

    /// The CIFAR or STL-10 files of a role in a folder whose entries are `entries`; nil when it has none.
    /// Where some of CIFAR-10's five training files are there, these are the dataset.
    static func inFolder(_ folder: ByteName, entries: [ByteName], role: DatasetRole) throws(VisionError) -> RecordSource? {
        for version in CIFAR.versions {
            let mine = version.files(role).filter { entries.contains(ByteName($0)) }
            if !mine.isEmpty { return try cifar(version, mine, in: folder) }
            let others = role.others.flatMap(version.files)
            if let other = others.first(where: { entries.contains(ByteName($0)) }) {
                throw .missingRole(path: "\(folder)", wanted: role.name, found: other)
            }
        }
        if entries.contains(ByteName(STL.images(role))) { return try stl(STL.images(role), in: folder) }
        if let other = (role.others.map(STL.images) + ["unlabeled_X.bin"]).first(where: { entries.contains(ByteName($0)) }) {
            throw .missingRole(path: "\(folder)", wanted: role.name, found: other)
        }
        return nil
    }

    /// One file of such a dataset by its path; nil when its name is none of theirs.
    static func file(_ path: ByteName) throws(VisionError) -> RecordSource? {
        let folder = path.folder, name = "\(path.last)"
        if let version = CIFAR.versions.first(where: { ($0.train + $0.test).contains(name) }) {
            return try cifar(version, [name], in: folder)
        }
        return name.hasSuffix("_X.bin") ? try stl(name, in: folder) : nil
    }

    private static func cifar(_ version: CIFAR, _ names: [String], in folder: ByteName) throws(VisionError) -> RecordSource {
        let classNames =
            try readClassNames(folder.appending(ByteName(version.classesFile))) ?? (0..<version.classes).map { ByteName("\($0)") }
        let layout = Layout(recordBytes: version.labelBytes + 3072, pixelOffset: version.labelBytes, side: 32, isColumnMajor: false)
        let files = names.map { folder.appending(ByteName($0)) }
        var labels: [UInt8] = []
        for path in files {
            let count = try recordCount(path, recordBytes: layout.recordBytes)
            try withFile(path) { (file, _) throws(VisionError) in
                for record in 0..<count {
                    let label = try readBytes(of: file, at: record * layout.recordBytes + version.labelBytes - 1, count: 1, path: path)
                    labels += try numbered(label, firstRecord: record, lowest: 0, classes: classNames.count, path: path)
                }
            }
        }
        return try RecordSource(files: files, layout: layout, classNames: classNames, labels: labels)
    }

    private static func stl(_ name: String, in folder: ByteName) throws(VisionError) -> RecordSource {
        let images = folder.appending(ByteName(name)), labelFile = folder.appending(ByteName(name.dropLast("X.bin".count) + "y.bin"))
        guard FileFacts(labelFile) != nil else { return try RecordSource(files: [images], layout: STL.layout, classNames: [], labels: []) }
        let classNames = try readClassNames(folder.appending("class_names.txt")) ?? (1...10).map { ByteName("\($0)") }
        let count = try recordCount(images, recordBytes: STL.layout.recordBytes), labelCount = try recordCount(labelFile, recordBytes: 1)
        guard labelCount == count else {
            throw .labelCountMismatch(images: "\(images)", imageCount: count, labels: "\(labelFile)", labelCount: labelCount)
        }
        let labels = try numbered(
            try readFile(labelFile, limit: count), firstRecord: 0, lowest: 1, classes: classNames.count, path: labelFile)
        return try RecordSource(files: [images], layout: STL.layout, classNames: classNames, labels: labels)
    }

    /// Labels counted from 0.
    private static func numbered(
        _ labels: [UInt8], firstRecord: Int, lowest: Int, classes: Int, path: ByteName
    ) throws(VisionError) -> [UInt8] {
        if let wrong = labels.firstIndex(where: { !(lowest..<(lowest + classes)).contains(Int($0)) }) {
            throw .badRecordFile(
                path: "\(path)",
                reason: "the label of record \(firstRecord + wrong) is \(labels[wrong]), not \(lowest)…\(lowest + classes - 1)")
        }
        return labels.map { $0 - UInt8(lowest) }
    }
}
