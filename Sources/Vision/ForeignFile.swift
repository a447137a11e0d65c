/// What a file looks like by its first bytes that is none of the kinds read here, and what helps.
package struct ForeignFile: Sendable, Equatable {
    package let what: String
    package let advice: String
    /// Whether a mark of its own tells it, and not only that it is text.
    package var isKnown: Bool { what != "text" }
    /// Whether it cannot be a list of files' names.
    package let isNoList: Bool

    /// - Parameter start: the file's first bytes, at least 16 where it has as many.
    /// - Returns: nil for what is not known either.
    package init?(_ start: some Collection<UInt8>) {
        let bytes = Array(start.prefix(512))
        func has(_ mark: [UInt8], at place: Int = 0) -> Bool { bytes.dropFirst(place).starts(with: mark) }
        func has(_ mark: String, at place: Int = 0) -> Bool { has(Array(mark.utf8), at: place) }
        let picture = "convert it to JPEG, PNG or WebP", again = "download it again"
        let text = String(decoding: bytes, as: UTF8.self).drop { $0.isWhitespace || $0 == "\u{FEFF}" }.lowercased()
        let found: (String, String)? =
            if bytes.isEmpty { ("empty", again) } else if has("version https://git-lfs") {
                ("a Git LFS pointer, not the file itself", "run 'git lfs pull'")
            } else if text.hasPrefix("<!doctype html") || text.hasPrefix("<html") {
                ("a web page", "the download went wrong: " + again)
            } else if text.hasPrefix("<?xml") || text.hasPrefix("<svg") {
                ("XML", picture)
            } else if has([0x49, 0x49, 0x2A, 0]) || has([0x4D, 0x4D, 0, 0x2A]) || has([0x49, 0x49, 0x2B, 0]) || has([0x4D, 0x4D, 0, 0x2B]) {
                ("a TIFF picture", picture)
            } else if has("GIF87a") || has("GIF89a") {
                ("a GIF picture", picture)
            } else if has("BM") && bytes.count > 14 && has([0, 0, 0, 0], at: 6) { ("a BMP picture", picture) } else if has("ftyp", at: 4) {
                Self.isoFile(bytes, picture)
            } else if has([0, 0, 0, 0x0C, 0x6A, 0x50, 0x20, 0x20]) || has([0xFF, 0x4F, 0xFF, 0x51]) {
                ("a JPEG 2000 picture", picture)
            } else if has([0xFF, 0x0A]) || has([0, 0, 0, 0x0C, 0x4A, 0x58, 0x4C, 0x20]) {
                ("a JPEG XL picture", picture)
            } else if has([0, 0, 1, 0]) && bytes.count > 6 && bytes[4] > 0 && bytes[5] == 0 { ("an icon", picture) } else if has("8BPS") {
                ("a Photoshop file", picture)
            } else if has("%PDF") {
                ("a PDF", picture)
            } else if bytes.count > 2 && bytes[0] == UInt8(ascii: "P") && (UInt8(ascii: "1")...UInt8(ascii: "7")).contains(bytes[1])
                && [9, 10, 13, 32].contains(bytes[2])
            { ("a PNM picture", picture) } else if has([0x50, 0x4B, 3, 4]) || has([0x50, 0x4B, 5, 6]) {
                ("a zip archive (.zip, .npz, …)", "unpack it; save one array by numpy.save")
            } else if has("PAR1") {
                ("a Parquet file", "write its images as files, or as .tar shards")
            } else if has([0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]) {
                ("an HDF5 file", "save its images by numpy.save, or as files")
            } else if has([0x93] + Array("NUMPY".utf8)) {
                ("a NumPy array", "name it .npy")
            } else if has([0x1F, 0x8B]) || has("BZh") || has([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0]) || has([0x28, 0xB5, 0x2F, 0xFD]) {
                ("compressed", "unpack it first")
            } else if has([0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C]) || has("Rar!") {
                ("an archive", "unpack it first")
            } else if has("ustar", at: 257) { ("a tar archive", "name it .tar") } else if has("SQLite format 3") {
                ("a database", "write its images as files")
            } else if has([0x80, 2]) || has([0x80, 3]) || has([0x80, 4]) || has([0x80, 5]) {
                ("a Python pickle", "download the binary version, or save its images by numpy.save")
            } else if has([0xFF, 0xD8, 0xFF]) { ("a JPEG picture", "name it .jpg") } else if has(PNGStream.signature) {
                ("a PNG picture", "name it .png")
            } else if isWebP(bytes) { ("a WebP picture", "name it .webp") } else if has([0xFF, 0xFE]) || has([0xFE, 0xFF]) {
                ("text in UTF-16", "save it as UTF-8")
            } else if !bytes.contains(where: { $0 < 9 || (14..<32).contains($0) && $0 != 27 }) {
                ("text", "a list of images is named .txt")
            } else { nil }
        guard let found else { return nil }
        (what, advice) = found
        isNoList = bytes.contains { $0 < 9 } || ["a Git LFS", "a web page", "text in UTF-16"].contains(where: found.0.hasPrefix)
    }

    private static func isoFile(_ bytes: [UInt8], _ picture: String) -> (String, String) {
        switch String(decoding: bytes[8..<min(12, bytes.count)], as: UTF8.self) {
        case "avif", "avis": ("an AVIF picture", picture)
        case "heic", "heix", "hevc", "heim", "heis", "mif1", "msf1": ("a HEIC picture", picture)
        default: ("a film", "take pictures out of it")
        }
    }

    /// Of the file at a path; nil where it cannot be read or is not known.
    package init?(at path: ByteName) {
        guard let bytes = try? withFile(path, { (file, _) throws(VisionError) in try readBytes(of: file, at: 0, count: 512, path: path) })
        else { return nil }
        self.init(bytes)
    }
}
