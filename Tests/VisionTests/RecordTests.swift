import Foundation
import Testing
@testable import CurricleDatasets
@testable import CurricleVision

@Suite struct RecordTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    /// The sample of image `n` at row y, column x.
    static func sample(_ n: Int, _ channel: Int, _ y: Int, _ x: Int) -> UInt8 { UInt8((n * 31 + channel * 101 + y * 7 + x * 13) % 251) }

    static func image(_ n: Int, side: Int) -> PixelImage {
        let pixels = (0..<(side * side * 3)).map { i in sample(n, i % 3, i / 3 / side, i / 3 % side) }
        return PixelImage(width: side, height: side, channels: 3, pixels: pixels)
    }

    /// As the datasets' pages say: CIFAR row by row, STL-10 column by column.
    static func planes(_ n: Int, side: Int, byColumns: Bool) -> [UInt8] {
        (0..<3).flatMap { channel in
            (0..<side).flatMap { outer in
                (0..<side).map { inner in byColumns ? sample(n, channel, inner, outer) : sample(n, channel, outer, inner) }
            }
        }
    }

    func cifar(_ images: Range<Int>, before: (Int) -> [UInt8]) -> [UInt8] {
        images.flatMap { before($0) + Self.planes($0, side: 32, byColumns: false) }
    }
    func stl(_ images: Range<Int>) -> [UInt8] { images.flatMap { Self.planes($0, side: 96, byColumns: true) } }
    func open(_ name: String = "", _ role: DatasetRole = .train) throws(VisionError) -> any ImageSource {
        try openDataset(at: name.isEmpty ? folder.path : folder.path + "/" + name, role: role)
    }
    func failure(_ name: String = "", _ role: DatasetRole = .train) -> VisionError? {
        error { () throws(VisionError) in try open(name, role) }
    }

    @Test("CIFAR 10") func cifar10() throws {
        for batch in 1...5 { try folder.write("data_batch_\(batch).bin", cifar((3 * batch - 3)..<(3 * batch)) { [UInt8($0 % 10)] }) }
        try folder.write("test_batch.bin", cifar(40..<42) { [UInt8($0 % 10)] })
        #expect(try open().classNames == (0..<10).map { ByteName("\($0)") })
        let names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
        try folder.write("batches.meta.txt", Array((names.joined(separator: "\n") + "\n\n").utf8))
        let train = try open(), test = try open("", .test)
        #expect(train.count == 15 && test.count == 2 && train.classNames == names.map { ByteName($0) } && train.shards.isEmpty)
        for index in 0..<15 {
            #expect(try train.image(at: index) == Self.image(index, side: 32))
            #expect(train.label(at: index) == index % 10)
        }
        #expect(try test.image(at: 1) == Self.image(41, side: 32) && test.label(at: 1) == 1 && test.label(at: 2) == nil)
        #expect(train.name(at: 4) == ByteName(folder.path + "/data_batch_2.bin#1"))
        #expect(try open("data_batch_5.bin", .test).image(at: 0) == Self.image(12, side: 32))
    }

    @Test("some of CIFAR 10") func someOfCifar10() throws {
        try folder.write("train/data_batch_3.bin", cifar(0..<2) { _ in [9] })
        #expect(try open().count == 2)
        #expect(failure("train", .test) == .missingRole(path: folder.path + "/train", wanted: "test", found: "data_batch_3.bin"))
    }

    @Test("CIFAR 100 takes fine labels") func cifar100TakesFineLabels() throws {
        try folder.write("train.bin", cifar(0..<3) { [19, UInt8(97 + $0)] })
        try folder.write("test.bin", cifar(3..<4) { _ in [0, 5] })
        #expect(try open().classNames.count == 100)
        let source = try open("", .test)
        #expect(try source.label(at: 0) == 5 && source.image(at: 0) == Self.image(3, side: 32))
        #expect((0..<3).map { try? open().label(at: $0) } == [97, 98, 99])
        try folder.write("fine_label_names.txt", Array("apple\r\nbaby".utf8))
        let found = failure()
        guard case .badRecordFile(folder.path + "/train.bin", let reason) = found else {
            Issue.record("\(String(describing: found))"); return
        }
        #expect(reason.contains("97") && isOneLine(found))
    }

    @Test("STL 10") func stl10() throws {
        try folder.write("train_X.bin", stl(0..<3))
        try folder.write("train_y.bin", [1, 10, 4])
        try folder.write("unlabeled_X.bin", stl(5..<7))
        #expect(failure("", .test) == .missingRole(path: folder.path, wanted: "test", found: "train_X.bin"))
        try folder.write("class_names.txt", Array("airplane\nbird\ncar\ncat\ndeer\ndog\nhorse\nmonkey\nship\ntruck\n".utf8))
        let source = try open()
        #expect(source.count == 3 && (0..<3).map { source.label(at: $0) } == [0, 9, 3] && source.classNames[9] == "truck")
        for index in 0..<3 { #expect(try source.image(at: index) == Self.image(index, side: 96)) }
        let unlabelled = try open("unlabeled_X.bin")
        #expect(
            try unlabelled.count == 2 && unlabelled.classNames.isEmpty && unlabelled.label(at: 0) == nil
                && unlabelled.image(at: 1) == Self.image(6, side: 96))
        #expect(try open("train_X.bin", .test).label(at: 1) == 9)
    }

    @Test("sizes are exact") func sizesAreExact() throws {
        let record = cifar(0..<1) { _ in [3] }
        let path = try folder.write("data_batch_1.bin", record + record)
        for length in stride(from: 2 * record.count - 1, through: 0, by: -1) where length != record.count {
            #expect(truncate(path, off_t(length)) == 0)
            let found = failure()
            switch found {  // nothing at all is nothing
            case .badRecordFile(path, _) where length > 0, .foreignFile(path, "empty", _) where length == 0: #expect(isOneLine(found))
            default: Issue.record("\(length)")
            }
        }
    }

    @Test("labels are checked") func labelsAreChecked() throws {
        let path = try folder.write("data_batch_1.bin", cifar(0..<3) { [$0 == 2 ? 10 : 0] })
        #expect(failure() == .badRecordFile(path: path, reason: "the label of record 2 is 10, not 0…9"))
        try folder.write("stl/train_X.bin", stl(0..<2))
        for (labels, index) in [([0, 1], 0), ([1, 11], 1)] as [([UInt8], Int)] {
            let path = try folder.write("stl/train_y.bin", labels)
            #expect(failure("stl") == .badRecordFile(path: path, reason: "the label of record \(index) is \(labels[index]), not 1…10"))
        }
        let y = try folder.write("stl/train_y.bin", [1, 2, 3])
        #expect(failure("stl") == .labelCountMismatch(images: folder.path + "/stl/train_X.bin", imageCount: 2, labels: y, labelCount: 3))
        try folder.write("stl/train_y.bin", [1, 2])
        let names = try folder.write("stl/class_names.txt", [UInt8](repeating: 10, count: 40))
        #expect(failure("stl") == .badRecordFile(path: names, reason: "it names 0 classes, not 1…256"))
    }

    @Test("a file that shrinks") func aFileThatShrinks() throws {
        let path = try folder.write("unlabeled_X.bin", stl(0..<2))
        let source = try openDataset(at: path, role: .train)
        #expect(truncate(path, 30000) == 0)
        for index in 0..<2 { #expect(error { () throws(VisionError) in try source.image(at: index) } == .changed(path: path)) }
    }
}
