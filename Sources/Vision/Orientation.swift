import CExif

/// The orientation 1…8 that an EXIF block states; 1, upright, where it states none.
///
/// - Parameter block: a TIFF structure, with or without `Exif\0\0` before it; may be empty or damaged.
func orientation(ofEXIF block: [UInt8]) -> Int {
    guard !block.isEmpty, let data = exif_data_new() else { return 1 }
    defer { exif_data_unref(data) }
    // By default libexif repairs what it reads to what the specification asks for; here only what is there counts.
    exif_data_unset_option(data, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION)
    let bytes = block.starts(with: exifMark) ? block : exifMark + block
    exif_data_load_data(data, bytes, UInt32(clamping: bytes.count))
    guard let entry = exif_content_get_entry(data.pointee.ifd.0, EXIF_TAG_ORIENTATION) else { return 1 }
    guard entry.pointee.format == EXIF_FORMAT_SHORT, entry.pointee.size >= 2, let value = entry.pointee.data else { return 1 }
    let orientation = Int(exif_get_short(value, exif_data_get_byte_order(data)))
    return (1...8).contains(orientation) ? orientation : 1
}

/// The first EXIF block (APP1) before the pixels of a JPEG; empty if there is none.
func exifBlock(ofJPEG file: [UInt8]) -> [UInt8] {
    var place = 2
    while place + 4 <= file.count, file[place] == 0xFF {
        let marker = file[place + 1]
        if marker == 0xFF { place += 1; continue }  // filling
        if marker == 0x01 || (0xD0...0xD8).contains(marker) { place += 2; continue }  // markers that stand alone
        if marker == 0xDA || marker == 0xD9 { break }  // pixels, or the end
        let length = Int(file[place + 2]) << 8 | Int(file[place + 3])
        guard length >= 2, place + 2 + length <= file.count else { break }
        let segment = file[(place + 4)..<(place + 2 + length)]
        if marker == 0xE1 && segment.starts(with: exifMark) { return Array(segment) }
        place += 2 + length
    }
    return []
}

private let exifMark = Array("Exif\0\0".utf8)

/// Turns and mirrors a picture so that its orientation becomes 1.
///
/// Source: Pillow's `ImageOps.exif_transpose` and the TIFF specification's tag 274.
func upright(_ image: PixelImage, orientation: Int) -> PixelImage {
    if orientation == 1 { return image }
    let (width, height, channels) = (image.width, image.height, image.channels)
    let turns = orientation >= 5
    // Where the result's pixel (row 0, column 0) lies in the picture, and how far apart its neighbours to the right and below are there.
    let line = width * channels, right = line - channels, bottom = (height - 1) * line
    let (start, across, down) =
        switch orientation {
        case 2: (right, -channels, line)  // mirrored
        case 3: (bottom + right, -channels, -line)  // upside down
        case 4: (bottom, channels, -line)  // mirrored upside down
        case 5: (0, line, channels)  // transposed
        case 6: (bottom, -line, channels)  // to be turned clockwise
        case 7: (bottom + right, -line, -channels)  // transposed on the other diagonal
        default: (right, line, -channels)  // to be turned anticlockwise
        }
    let (newWidth, newHeight) = turns ? (height, width) : (width, height)
    let pixels = image.pixels.withUnsafeBufferPointer { input in
        [UInt8](unsafeUninitializedCapacity: input.count) { output, count in
            for y in 0..<newHeight {
                for x in 0..<newWidth {
                    let source = start + y * down + x * across, target = (y * newWidth + x) * channels
                    for channel in 0..<channels { output[target + channel] = input[source + channel] }
                }
            }
            count = input.count
        }
    }
    return PixelImage(width: newWidth, height: newHeight, channels: channels, pixels: pixels)
}
