/// A JPEG without what libjpeg warns of though it touches no pixel; nil where the stream cannot be followed to its end.
///
/// What is set is what libjpeg assumes for it: a sequential scan's limits 0, 63 and 0; JFIF 1; Adobe's transform 1 (three components) or 2
/// (four). Bytes between a segment's end and the next marker are taken out.
func mendedJPEG(_ file: [UInt8]) -> [UInt8]? {
    var bytes = file
    var surplus: [Range<Int>] = []
    var components = 0, isSequential = false, adobe: Int?, place = 2
    func length(at place: Int) -> Int? {
        guard place + 4 <= file.count else { return nil }
        let length = Int(file[place + 2]) << 8 | Int(file[place + 3])
        return length >= 2 && place + 2 + length <= file.count ? length : nil
    }
    /// The next marker's first byte, and where it is told of which kind.
    func marker(from start: Int) -> (first: Int, kind: Int)? {
        var kind = start
        while let mark = file[kind...].firstIndex(of: 0xFF) {
            guard let byte = file[mark...].firstIndex(where: { $0 != 0xFF }) else { return nil }
            if file[byte] != 0 { return (mark, byte) }
            kind = byte + 1
        }
        return nil
    }
    while true {
        guard place < file.count, let found = marker(from: place) else { return nil }
        if found.first > place { surplus.append(place..<found.first) }
        let kind = file[found.kind], segment = found.kind - 1
        place = found.kind + 1
        if kind == 0xD9 { break }  // the end
        if kind == 0x01 || (0xD0...0xD8).contains(kind) { continue }  // markers that stand alone
        guard let length = length(at: segment) else { return nil }
        let data = segment + 4, end = segment + 2 + length
        place = end
        switch kind {
        case 0xC4, 0xC8, 0xCC: break  // tables
        case 0xC0...0xCF where length >= 8:
            components = Int(file[data + 5])
            isSequential = kind == 0xC0 || kind == 0xC1 || kind == 0xC9
        case 0xE0 where length >= 9 && file[data...].starts(with: Array("JFIF\0".utf8)) && file[data + 5] != 1: bytes[data + 5] = 1
        case 0xEE where length >= 14 && file[data...].starts(with: Array("Adobe".utf8)): adobe = data + 11
        case 0xDA:
            let count = Int(file[data])
            guard length >= 6 + 2 * count else { return nil }
            if isSequential { bytes.replaceSubrange((end - 3)..<end, with: [0, 63, 0]) }
            // Pixels: FF is followed by 00, by a restart's number, or by the next marker.
            while place + 1 < file.count, file[place] != 0xFF || file[place + 1] == 0 || (0xD0...0xD7).contains(file[place + 1]) {
                place += 1
            }
        default: break
        }
    }
    if let adobe, components == 3 && bytes[adobe] > 1 || components == 4 && ![0, 2].contains(bytes[adobe]) {
        bytes[adobe] = components == 3 ? 1 : 2
    }
    for range in surplus.reversed() { bytes.removeSubrange(range) }
    return bytes
}
