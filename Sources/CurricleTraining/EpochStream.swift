internal import Curricle
internal import Foundation
internal import Synchronization

/// Asks a run to finish its step and stop.
final class StopFlag: Sendable {
    private let flag = Atomic<Bool>(false)
    var isSet: Bool { flag.load(ordering: .relaxed) }
    func set() { flag.store(true, ordering: .relaxed) }
}

/// Runs of this process by their folders: one that was asked to stop is waited for, as it still finishes its step and keeps its state.
private final class RunningFolders: Sendable {
    static let all = RunningFolders()
    private let changed = NSCondition()
    // Used with the condition locked alone.
    nonisolated(unsafe) private var stops: [String: StopFlag] = [:]

    func enter(_ folder: String, _ stop: StopFlag) {
        changed.lock()
        defer { changed.unlock() }
        while let other = stops[folder], other.isSet { changed.wait() }
        if stops[folder] == nil { stops[folder] = stop }
    }

    func leave(_ folder: String, _ stop: StopFlag) {
        changed.lock()
        defer { changed.unlock() }
        if stops[folder] === stop { stops[folder] = nil }
        changed.broadcast()
    }
}

/// A run's epochs as they end. The run has a thread of its own: it is minutes or days of work without a pause. It is asked to stop where the
/// sequence is left or its task is cancelled.
func epochs<Element: Sendable>(
    in folder: String, of run: @escaping @Sendable (_ stop: StopFlag, _ ended: @escaping (Element) -> Void) throws -> Void
) -> AsyncThrowingStream<Element, any Error>.Iterator {
    AsyncThrowingStream(Element.self) { continuation in
        let stop = StopFlag(), place = URL(fileURLWithPath: folder).standardized.path
        continuation.onTermination = { _ in stop.set() }
        let thread = Thread {
            RunningFolders.all.enter(place, stop)
            let end = Result { try run(stop) { continuation.yield($0) } }
            RunningFolders.all.leave(place, stop)
            switch end {
            case .success: continuation.finish()
            case .failure(let error): continuation.finish(throwing: (error as? CurricleError) ?? CurricleError(error))
            }
        }
        thread.stackSize = 8 << 20
        thread.start()
    }.makeAsyncIterator()
}
