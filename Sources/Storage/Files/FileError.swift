import Foundation

/// Why a file could not be read, written or published: which file, what was tried, and the system's reason.
package enum FileError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What was tried when the system refused.
    package enum Action: String, Sendable {
        case open, create, read, write, flush, publish, truncate, list, remove
    }

    /// The system refused; `code` is its `errno`.
    case refused(Action, path: String, code: Int32)
    /// A folder, pipe or device stands where a file is wanted.
    case notAFile(path: String)
    /// An empty path.
    case unnamed
    /// Something that cannot be written into stands where a file is to be.
    case occupied(path: String, by: String)
    /// What was to be taken up is another user's, or a link.
    case foreign(path: String)
    /// It was cut short or rewritten while it was read.
    case changed(path: String)
    /// Another process writes it now.
    case busy(path: String)
    /// Bytes were to be replaced that were never written (a mistake of the caller, not of the user).
    case outsideWrittenBytes(path: String)

    package var description: String {
        switch self {
        case .refused(let action, let path, let code):
            return "cannot \(action.rawValue) \(path): \(String(cString: strerror(code)))\(FileError.advice(code))"
        case .notAFile(let path):
            return "cannot read \(path): it is not a regular file; name a file"
        case .unnamed:
            return "a file's name is empty: give one"
        case .occupied(let path, let what):
            return "cannot write \(path): \(what) stands there; name another file"
        case .foreign(let path):
            return "cannot go on with \(path): it is another user's, or a link; remove it, or name another file"
        case .changed(let path):
            return "\(path) was changed while it was read; try again once whoever writes it is done"
        case .busy(let path):
            return "cannot write \(path): another process is writing it; wait for it, or name another file"
        case .outsideWrittenBytes(let path):
            return "cannot write \(path): bytes were to be replaced that were not written yet; please report this"
        }
    }

    private static func advice(_ code: Int32) -> String {
        switch code {
        case ENOENT: "; check the path"
        case EEXIST, ENOTDIR: "; a file is in the way: choose another name"
        case EACCES, EPERM, EROFS: "; check who may write and read there"
        case ENOSPC, EDQUOT: "; free some space or choose another folder"
        case EFBIG: "; the file size limit (ulimit -f) is too low"
        case EIO: "; the disk reports a fault: check it, or choose another one"
        case EMFILE, ENFILE: "; raise the limit of open files (ulimit -n)"
        default: "; check the disk and the path"
        }
    }
}
