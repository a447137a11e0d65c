import Foundation
import Glibc
import Synchronization

/// SIGINT, SIGTERM, SIGHUP (a lost terminal), SIGUSR1, SIGUSR2 and SIGXCPU (batch systems, before their limit) as a question that a run
/// asks between steps; a second one ends the process at once. What is ignored from outside (`nohup`) stays so, and when the value goes the
/// signals do what they did.
struct Interrupts: ~Copyable {
    private static let count = Atomic<Int>(0)
    /// What may be ignored from outside. (Shells have what they start in the background ignore SIGINT, and it is still asked to stop by
    /// it.)
    private static let ignorable = [SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU]
    private let former: [(signal: Int32, action: sigaction)]
    /// The step that is being done, from 1, where what a signal leads to is said; 0 where it is not.
    private static let step = Atomic<Int>(0)

    var happened: Bool { Interrupts.count.load(ordering: .relaxed) > 0 }

    init() {
        Interrupts.count.store(0, ordering: .relaxed)  // before a handler can ask for it
        var former: [(signal: Int32, action: sigaction)] = []
        for number in [SIGINT, SIGTERM] + Interrupts.ignorable {
            var old = sigaction()
            guard sigaction(number, nil, &old) == 0, !(Interrupts.ignorable.contains(number) && Interrupts.isIgnored(old)) else { continue }
            var new = sigaction()
            new.__sigaction_handler.sa_handler = { _ in
                if Interrupts.count.add(1, ordering: .relaxed).newValue > 1 { _exit(130) }
                Interrupts.tell(step: Interrupts.step.load(ordering: .relaxed))
            }
            new.sa_flags = SA_RESTART
            if sigaction(number, &new, nil) == 0 { former.append((number, old)) }
            // Who starts a process from a thread of Dispatch hands down that all signals are blocked: it could not be stopped.
            var mask = sigset_t()
            sigemptyset(&mask)
            sigaddset(&mask, number)
            pthread_sigmask(SIG_UNBLOCK, &mask, nil)
        }
        self.former = former
    }

    /// From now on a signal is answered at once: that the step is finished, and all is kept.
    func says(step: Int) { Interrupts.step.store(step, ordering: .relaxed) }

    /// In a handler of signals: nothing that takes memory or a lock.
    private static func tell(step: Int) {
        guard step > 0 else { return }
        func write(_ text: StaticString) { _ = Glibc.write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount) }
        write("\nfinishing step ")
        var power = 1
        while step / power >= 10 { power *= 10 }
        while power > 0 {
            var digit = UInt8(ascii: "0") + UInt8(step / power % 10)
            _ = Glibc.write(STDERR_FILENO, &digit, 1)
            power /= 10
        }
        write(", then saving; again to stop at once\n")
    }

    deinit {
        Interrupts.step.store(0, ordering: .relaxed)
        for (number, action) in former {
            var action = action
            sigaction(number, &action, nil)
        }
    }

    private static func isIgnored(_ action: sigaction) -> Bool {
        unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }
}
