import Testing

@testable import CurricleDatasets
@testable import CurricleVision

/// Images of no content, one of each class named.
private struct Named: ImageSource {
    let classNames: [ByteName]
    var count: Int { classNames.count }
    func label(at index: Int) -> Int? { index }
    func name(at index: Int) -> ByteName { "image#\(index)" }
    func image(at index: Int) throws(VisionError) -> PixelImage { PixelImage(width: 1, height: 1, channels: 1, pixels: [0]) }
}

@Suite struct RelabelledSourceTests {
    @Test("labels are those of the same name") func labelsAreThoseOfTheSameName() throws {
        let few = try Named(classNames: ["cat", "yak"]).labelled(byNames: ["ape", "cat", "dog", "yak"])
        #expect((0..<2).map { few.label(at: $0) } == [1, 3])
        #expect(few.classNames == ["ape", "cat", "dog", "yak"] && few.name(at: 1) == "image#1" && few.file(of: 1) == "image")
        let same = try Named(classNames: ["ape", "cat"]).labelled(byNames: ["ape", "cat", "dog"])
        #expect((0..<2).map { same.label(at: $0) } == [0, 1])
    }

    @Test("an unknown class is named") func anUnknownClassIsNamed() {
        let error = #expect(throws: VisionError.self) { try Named(classNames: ["ape", "gnu"]).labelled(byNames: ["ape", "cat"]) }
        #expect(error == .unknownClass("gnu", image: "image#0", known: ["ape", "cat"]))
    }
}
