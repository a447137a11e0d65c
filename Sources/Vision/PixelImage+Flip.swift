/// Mirrors an image left to right, in place.
package func flipHorizontally(_ image: inout PixelImage) {
    let (width, height, channels) = (image.width, image.height, image.channels)
    image.pixels.withUnsafeMutableBufferPointer { pixels in
        for row in 0..<height {
            let line = UnsafeMutableBufferPointer(rebasing: pixels[(row * width * channels)..<((row + 1) * width * channels)])
            switch channels {
            case 1: reverseBytes(line)
            case 3: reverseTriples(line)
            default: reversePixels(line, channels: channels)
            }
        }
    }
}

/// Eight bytes from each end at a time, exchanged and turned round as one integer each.
private func reverseBytes(_ line: UnsafeMutableBufferPointer<UInt8>) {
    guard let base = UnsafeMutableRawPointer(line.baseAddress) else { return }
    var low = 0
    var high = line.count
    while high - low >= 16 {
        let left = base.loadUnaligned(fromByteOffset: low, as: UInt64.self)
        let right = base.loadUnaligned(fromByteOffset: high - 8, as: UInt64.self)
        base.storeBytes(of: right.byteSwapped, toByteOffset: low, as: UInt64.self)
        base.storeBytes(of: left.byteSwapped, toByteOffset: high - 8, as: UInt64.self)
        low += 8
        high -= 8
    }
    while high - low >= 2 {
        line.swapAt(low, high - 1)
        low += 1
        high -= 1
    }
}

private func reverseTriples(_ line: UnsafeMutableBufferPointer<UInt8>) {
    var low = 0
    var high = line.count - 3
    while low < high {
        let left = (line[low], line[low + 1], line[low + 2])
        (line[low], line[low + 1], line[low + 2]) = (line[high], line[high + 1], line[high + 2])
        (line[high], line[high + 1], line[high + 2]) = left
        low += 3
        high -= 3
    }
}

private func reversePixels(_ line: UnsafeMutableBufferPointer<UInt8>, channels: Int) {
    var low = 0
    var high = line.count - channels
    while low < high {
        for channel in 0..<channels { line.swapAt(low + channel, high + channel) }
        low += channels
        high -= channels
    }
}
