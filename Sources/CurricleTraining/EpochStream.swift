internal import Curricle
internal import Foundation
internal import Synchronization

/// Asks a run to finish its step and stop.
final class StopFlag: Sendable {
    private let flag = Atomic<Bool>(false)
    var isSet: Bool { flag.load(ordering: .relaxed) }
    func set() { flag.store(true, ordering: .relaxed) }
}

/// A run's epochs as they end. The run has a thread of its own: it is minutes or days of work without a pause. It is asked to stop where the
/// sequence is left or its task is cancelled.
func epochs<Element: Sendable>(
    of run: @escaping @Sendable (_ stop: StopFlag, _ ended: @escaping (Element) -> Void) throws -> Void
) -> AsyncThrowingStream<Element, any Error>.Iterator {
    AsyncThrowingStream(Element.self) { continuation in
        let stop = StopFlag()
        continuation.onTermination = { _ in stop.set() }
        let thread = Thread {
            do {
                try run(stop) { continuation.yield($0) }
                continuation.finish()
            } catch {
                continuation.finish(throwing: (error as? CurricleError) ?? CurricleError(error))
            }
        }
        thread.stackSize = 8 << 20
        thread.start()
    }.makeAsyncIterator()
}
