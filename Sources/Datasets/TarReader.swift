import CurricleCArchive
import Foundation
import CurricleVision

/// The members of an open tar file, one after another. libarchive reads the headers and skips the data.
final class TarReader {
    struct Member {
        let name: ByteName
        /// Where the member's first header begins.
        let headerOffset: Int
        /// Where its bytes begin.
        let dataOffset: Int
        let size: Int
        /// A regular file, no link; not one whose holes are left out of the archive, as far as its header says.
        let isPlain: Bool
    }

    private let archive: OpaquePointer
    private let path: ByteName

    /// - Parameter file: an open descriptor at its beginning, open for as long as the reader lives.
    init(file: Int32, path: ByteName) throws(VisionError) {
        guard let archive = archive_read_new() else { throw .unreadable(path: "\(path)", reason: "libarchive did not start") }
        self.archive = archive
        self.path = path
        // Only tar, and no decompression: what is looked up by its place later must lie in the file as it is.
        // Small blocks: between headers there may be a megabyte of image that nobody needs now.
        guard archive_read_support_format_tar(archive) == ARCHIVE_OK, archive_read_open_fd(archive, file, 4096) == ARCHIVE_OK else {
            throw problem
        }
    }

    deinit { archive_read_free(archive) }

    /// The next member, nil after the last. Errors: `truncated`, `badArchive`.
    func next() throws(VisionError) -> Member? {
        var entry: OpaquePointer?
        switch archive_read_next_header(archive, &entry) {
        case ARCHIVE_EOF: return nil
        case ARCHIVE_OK, ARCHIVE_WARN: break
        default: throw problem
        }
        // In the C locale the plain name is the header's bytes; a pax header's is UTF-8, which libarchive hands out as such where it cannot
        // be converted.
        guard let entry, let name = archive_entry_pathname(entry) ?? archive_entry_pathname_utf8(entry) else {
            throw .badArchive(path: "\(path)", reason: "a member has no name")
        }
        let isFile =
            UInt32(archive_entry_filetype(entry)) == S_IFREG && archive_entry_hardlink(entry) == nil && archive_entry_symlink(entry) == nil
        return Member(
            name: ByteName(UnsafeBufferPointer(start: name, count: strlen(name)).lazy.map(UInt8.init(bitPattern:))),
            headerOffset: Int(archive_read_header_position(archive)), dataOffset: Int(archive_filter_bytes(archive, 0)),
            size: Int(archive_entry_size(entry)), isPlain: isFile && archive_entry_sparse_count(entry) == 0)
    }

    private var problem: VisionError {
        let reason = archive_error_string(archive).map { String(cString: $0) } ?? "libarchive failed"
        return reason.lowercased().contains("truncated")
            ? .truncated(name: "\(path)", reason: reason) : .badArchive(path: "\(path)", reason: reason)
    }
}
