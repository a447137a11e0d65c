import Foundation
import Synchronization

/// SIGINT and SIGTERM as a question that the run asks between steps; a second one ends the process at once.
/// Unchecked: the sources are only held.
final class Interrupts: @unchecked Sendable {
    private let count = Atomic<Int>(0)
    private let sources: [any DispatchSourceSignal]
    var happened: Bool { count.load(ordering: .relaxed) > 0 }

    init() {
        let queue = DispatchQueue(label: "interrupts")
        var sources: [any DispatchSourceSignal] = []
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            sources.append(DispatchSource.makeSignalSource(signal: number, queue: queue))
        }
        self.sources = sources
        for source in sources {
            source.setEventHandler { [weak self] in
                guard let self else { return }
                if self.count.add(1, ordering: .relaxed).newValue > 1 { _exit(130) }
            }
            source.resume()
        }
    }
}
