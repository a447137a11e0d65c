import CurricleCZip

/// A zip file, its entries read by libzip when they are asked for.
final class ZipArchive {
    typealias Failure = PyTorchFile.Failure

    struct Entry {
        fileprivate let index: UInt64
        let size: Int
        /// Not compressed: its size is then part of the file's.
        let isStored: Bool
    }

    let entries: [String: Entry]
    private let handle: OpaquePointer

    /// - Throws: ``Failure`` for a file that is no zip archive, or has two entries of one name.
    init(_ file: FileReader) throws(Failure) {
        var code: Int32 = 0
        guard let handle = zip_open(file.path, ZIP_RDONLY, &code) else {
            var error = zip_error_t()
            zip_error_init_with_code(&error, code)
            defer { zip_error_fini(&error) }
            throw Failure.malformed(String(cString: zip_error_strerror(&error)))
        }
        self.handle = handle
        do throws(Failure) { entries = try ZipArchive.list(handle, fileSize: file.count) } catch {
            zip_discard(handle)
            throw error
        }
    }

    deinit { zip_discard(handle) }

    private static func list(_ handle: OpaquePointer, fileSize: Int) throws(Failure) -> [String: Entry] {
        var entries: [String: Entry] = [:]
        for index in 0..<UInt64(max(0, zip_get_num_entries(handle, 0))) {
            var information = zip_stat_t()
            zip_stat_init(&information)
            guard zip_stat_index(handle, index, zip_flags_t(ZIP_FL_ENC_RAW), &information) == 0, let name = information.name,
                let size = Int(exactly: information.size)
            else { throw Failure.malformed("entry \(index) of its directory cannot be read") }
            // The directory is not trusted with a size that would be asked from memory.
            let isStored = information.comp_method == UInt16(ZIP_CM_STORE) && information.comp_size == information.size
            guard !isStored || size <= fileSize else {
                throw Failure.malformed("its entry '\(String(cString: name))' is larger than the file")
            }
            let entry = Entry(index: index, size: size, isStored: isStored)
            guard entries.updateValue(entry, forKey: String(cString: name)) == nil else {
                throw Failure.malformed("two of its entries are named '\(String(cString: name))'")
            }
        }
        return entries
    }

    /// An entry's bytes, unpacked, its checksum compared.
    /// - Parameter limit: the most bytes it may have, which bounds what a compressed one could unfold to.
    func bytes(_ entry: Entry, limit: Int) throws(Failure) -> [UInt8] {
        guard entry.size <= limit else { throw Failure.malformed("an entry has \(entry.size) bytes, more than \(limit)") }
        guard let file = zip_fopen_index(handle, entry.index, 0) else { throw Failure.malformed(String(cString: zip_strerror(handle))) }
        defer { zip_fclose(file) }
        var read = 0, refused = false
        let bytes = [UInt8](unsafeUninitializedCapacity: entry.size) { buffer, count in
            while read < entry.size, !refused {
                let got = zip_fread(file, buffer.baseAddress.map { $0 + read }, UInt64(entry.size - read))
                if got > 0 { read += Int(got) } else { refused = true }
            }
            count = read
        }
        // The checksum is compared where the entry's end is seen.
        var beyond: UInt8 = 0
        guard !refused, zip_fread(file, &beyond, 1) == 0 else {
            throw Failure.malformed("an entry cannot be read: \(String(cString: zip_error_strerror(zip_file_get_error(file))))")
        }
        return bytes
    }
}
