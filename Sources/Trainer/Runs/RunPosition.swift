import CurricleGraph

/// Where a run stands between two steps: with its settings, its parameters and their moments, all that going on with it needs.
package struct RunPosition: Sendable, Equatable, Codable {
    /// Updates done: joint iterations, in pretraining.
    package var step = 0
    package var epoch = 0
    /// Batches of the epoch that are done.
    package var batch = 0
    /// Updates of each half, for AdamW's bias correction.
    package var updates: [ParameterGroup: Int] = [.autoencoder: 0, .masker: 0]
    /// Steps left out because a loss was not finite.
    package var skipped = 0
    /// The epoch's losses so far.
    var means = EpochMeans()
    /// Of fine-tuning: accuracy on the test images of the best epoch so far; 0 before there is one.
    package internal(set) var best = 0.0
    /// Lines of the log.
    var logLines = 0
    package init() {}
}

/// Means over the steps of an epoch, by their names in its line of the log.
struct EpochMeans: Sendable, Equatable, Codable {
    struct Sum: Sendable, Equatable, Codable {
        let name: String
        var sum: Double
        var count: Int
    }
    /// In the order in which they first came.
    private(set) var sums: [Sum] = []

    mutating func add(_ values: [(name: String, value: Float)]) {
        for (name, value) in values {
            if let place = sums.firstIndex(where: { $0.name == name }) {
                sums[place].sum += Double(value)
                sums[place].count += 1
            } else {
                sums.append(Sum(name: name, sum: Double(value), count: 1))
            }
        }
    }

    var all: [(name: String, mean: Double)] { sums.map { ($0.name, $0.sum / Double($0.count)) } }
    func mean(_ name: String) -> Double? { all.first { $0.name == name }?.mean }
}

/// Times of an epoch's steps in this process; what was done before a run was resumed is not known.
struct EpochTimes {
    private(set) var images = 0
    private(set) var dataSeconds = 0.0
    private(set) var seconds = 0.0

    /// Waiting for other ranks; nil where there are none.
    private(set) var exchangeSeconds: Double?

    mutating func add(images: Int, dataSeconds: Double, exchangeSeconds: Double?, seconds: Double) {
        self.images += images
        if let exchangeSeconds { self.exchangeSeconds = (self.exchangeSeconds ?? 0) + exchangeSeconds }
        self.dataSeconds += dataSeconds
        self.seconds += seconds
    }

    var imagesPerSecond: Double { seconds > 0 ? Double(images) / seconds : 0 }
    /// Share of the time that steps waited for data.
    var dataShare: Double { seconds > 0 ? dataSeconds / seconds : 0 }
}
