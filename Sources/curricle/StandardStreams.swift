import CurricleEngine
import Foundation
import CurricleSettings
import CurricleStorage
import Synchronization
import CurricleWeights

/// Standard input, output and error, which whoever starts a command may have closed, filled up or left.
enum StandardStreams {
    /// Gives a closed descriptor of the three something to stand for, so that no file of ours gets its number; what is read or written
    /// there fails as before. A reader that goes ends no run: what is written then fails, too.
    static func open() {
        for (descriptor, mode) in [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY)]
        where fcntl(descriptor, F_GETFD) == -1 && errno == EBADF {
            _ = Foundation.open("/dev/null", mode)  // the lowest number that is free
        }
        signal(SIGPIPE, SIG_IGN)
    }

    private static let loss = Mutex<Int32>(0)

    /// Writes to standard output; once that failed, nothing more.
    static func write(_ text: String) {
        loss.withLock { loss in
            if loss == 0 { loss = Array(text.utf8).withUnsafeBytes { FileOperations.system.writeFully(STDOUT_FILENO, $0) } }
        }
    }

    /// Why something printed is lost; nil where nothing is, or where its reader wants no more.
    static var lostOutput: String? {
        let code = loss.withLock { $0 }
        return code == 0 || code == EPIPE ? nil : "cannot write standard output: \(String(cString: strerror(code)))"
    }
}

/// Stands for the library's `print`, which cannot tell that nothing was written.
func print(_ text: String, terminator: String = "\n") { StandardStreams.write(text + terminator) }

/// A line for the user on standard error; where it cannot be shown there is nobody to tell.
func complain(_ text: String) { tell("curricle: \(text)") }

func complain(_ error: any Error) { complain((error as? any NamesSettings)?.message.withOptions ?? text(of: error)) }

/// Foundation's errors are told by the system's reason, and not by their numbers.
private func text(of error: any Error) -> String {
    guard type(of: error) is NSError.Type || error is CocoaError else { return "\(error)" }
    let facts = (error as NSError).userInfo, underlying = facts[NSUnderlyingErrorKey] as? NSError
    let reason = [error as NSError, underlying].compactMap { $0 }.first { $0.domain == NSPOSIXErrorDomain }.map {
        String(cString: strerror(Int32($0.code)))
    }
    let path = facts[NSFilePathErrorKey] as? String ?? (facts[NSURLErrorKey] as? URL)?.path
    return "\(path ?? "a file"): \(reason ?? "it cannot be read or written")"
}

/// A line on standard error.
func tell(_ line: String) {
    _ = Array("\(line)\n".utf8).withUnsafeBytes { FileOperations.system.writeFully(STDERR_FILENO, $0) }
}
