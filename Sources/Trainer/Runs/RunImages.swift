import CurricleDatasets
import CurricleStorage

/// The images that a run is made from, as its states remember them.
struct RunImages: Sendable {
    let count: Int
    /// Stands for their names, in the source's order.
    let names: String

    init(_ source: any ImageSource) {
        count = source.count
        var sum = CRC32C()
        for index in 0..<source.count { sum.update(source.name(at: index).bytes + [0]) }
        names = TensorFile.checksumText(sum.value)
    }
}
