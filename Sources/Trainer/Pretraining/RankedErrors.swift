import CurricleEngine
import CurricleRuntime

/// What step A leaves for a masker that learns from the ranking of its errors: which patches each image of an update lost, and how well each
/// of them was filled in.
struct RankedErrors {
    private let patches: Int, removed: Int
    /// [images, L] int32, and [images, removed].
    private let orders, errors: Memory
    /// Batches whose errors are all there, by their first image's place: not those whose loss was not finite.
    private var whole: Set<Int> = []

    /// - Parameter images: of an update, at most.
    init(images: Int, patches: Int, removed: Int) throws {
        (self.patches, self.removed) = (patches, removed)
        orders = try Memory(integers: images * patches, purpose: "masks")
        errors = try Memory(floats: images * removed, purpose: "errors of removed patches")
    }

    /// Keeps step A's results, of images from `first` on.
    func keep(_ model: ModelRuntime, _ executable: Executable, at first: Int) throws {
        let order = try model.session.integerResult(executable.program.result("order"))
        for (i, patch) in order.enumerated() { orders.integers[first * patches + i] = Int32(patch) }
        for (i, error) in try model.result("error", of: executable).enumerated() { errors.floats[first * removed + i] = error }
    }

    /// Begins an update.
    mutating func clear() { whole.removeAll(keepingCapacity: true) }
    /// A batch is all there.
    mutating func complete(batchAt first: Int) { whole.insert(first) }
    func isComplete(batchAt first: Int) -> Bool { whole.contains(first) }

    /// What step B takes of so many images from `first` on.
    func inputs(images: Int, at first: Int) -> RunInputs {
        [
            .order: .memory(orders.contents(numbers: (first * patches)..<((first + images) * patches))),
            .errors: .memory(errors.contents(numbers: (first * removed)..<((first + images) * removed)))
        ]
    }
}
