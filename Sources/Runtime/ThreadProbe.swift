import Foundation

extension Machine {
    /// Makes sure that a team can run at once with what runs beside it: the system's own workers, one a processor, and a loader's, half as
    /// many as the team. OpenMP ends the process where a team cannot be made, and Dispatch waits for ever.
    /// - Throws: `RuntimeError.threads` where the system gives fewer (`ulimit -u`, a control group's `pids.max`, `ulimit -v`).
    package static func requireThreads(_ team: Int) throws(RuntimeError) {
        let count = team + processors + max(1, team / 2)
        let gate = Gate()
        var started: [pthread_t] = [], code: Int32 = 0
        pthread_mutex_lock(gate.mutex)
        while started.count < count - 1, code == 0 {
            var thread = pthread_t()
            code = pthread_create(
                &thread, nil,
                { mutex in
                    guard let mutex = mutex?.assumingMemoryBound(to: pthread_mutex_t.self) else { return nil }
                    pthread_mutex_lock(mutex)  // until all are there
                    pthread_mutex_unlock(mutex)
                    return nil
                }, gate.mutex)
            if code == 0 { started.append(thread) }
        }
        pthread_mutex_unlock(gate.mutex)
        for thread in started { pthread_join(thread, nil) }
        guard code == 0 else {
            throw .threads(team: team, wanted: count, possible: started.count + 1, reason: String(cString: strerror(code)))
        }
    }

    private final class Gate {
        let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        init() { pthread_mutex_init(mutex, nil) }
        deinit {
            pthread_mutex_destroy(mutex)
            mutex.deallocate()
        }
    }
}
