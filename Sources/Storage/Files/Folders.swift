import Foundation

/// Names in a folder but "." and "..", in no order. (Those of this program's own files are UTF-8; others are repaired.)
/// - Throws: ``FileError``: a listing that breaks off is an error, never a shorter listing.
package func names(in folder: String) throws(FileError) -> [String] {
    guard let directory = opendir(folder) else { throw .refused(.list, path: folder, code: errno) }
    defer { closedir(directory) }
    var names: [String] = []
    while true {
        errno = 0
        guard let entry = readdir(directory) else {
            let code = errno
            guard code == 0 else { throw .refused(.list, path: folder, code: code) }
            return names
        }
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != ".", name != ".." { names.append(name) }
    }
}

/// Makes a folder and those above it; one that is there already is good.
/// - Throws: ``FileError``.
package func makeFolder(_ path: String) throws(FileError) {
    guard !path.isEmpty else { throw .unnamed }
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { return }
    let parent = Destination.split(path.hasSuffix("/") ? String(path.dropLast()) : path).folder
    if parent != path, parent != ".", parent != "/" { try makeFolder(parent) }
    // Another process may make it meanwhile.
    guard mkdir(path, 0o777) == 0 || errno == EEXIST && stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR else {
        throw .refused(.create, path: path, code: errno)
    }
}
