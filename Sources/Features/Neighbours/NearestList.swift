/// The nearest rows found so far, nearest first. Rows must be offered by rising index.
struct NearestList {
    private(set) var entries: [(distance: Double, index: Int)] = []
    private let capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    /// The distance beyond which nothing is taken any more; nil while there is room.
    var worst: Double? { entries.count == capacity ? entries.last?.distance : nil }

    mutating func offer(_ distance: Double, index: Int) {
        if let worst, distance >= worst { return }
        let place = entries.firstIndex { $0.distance > distance } ?? entries.count
        entries.insert((distance, index), at: place)
        if entries.count > capacity { entries.removeLast() }
    }
}
