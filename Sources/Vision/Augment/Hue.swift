/// Turns the hue by a share of the circle (−½…½). Only pictures of three channels have one.
///
/// Source: torchvision's `adjust_hue` on a PIL image: Pillow's 8-bit HSV, in which the hue's byte wraps round; equal bit for bit.
func adjustHue(_ image: inout PixelImage, by share: Double) {
    guard image.channels == 3 else { return }
    let turn = UInt8(truncatingIfNeeded: Int(min(max(share, -0.5), 0.5) * 255))
    image.pixels.withUnsafeMutableBufferPointer { pixels in
        for place in stride(from: 0, to: pixels.count, by: 3) {
            let (hue, saturation, value) = hsv(pixels[place], pixels[place + 1], pixels[place + 2])
            (pixels[place], pixels[place + 1], pixels[place + 2]) = rgb(hue &+ turn, saturation, value)
        }
    }
}

/// Pillow's `rgb2hsv`, with its mixture of single and double precision.
private func hsv(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> (UInt8, UInt8, UInt8) {
    let largest = max(max(red, green), blue), smallest = min(min(red, green), blue)
    if largest == smallest { return (0, 0, largest) }
    let range = Float(largest - smallest)
    let (r, g, b) = (Float(largest - red) / range, Float(largest - green) / range, Float(largest - blue) / range)
    let sector: Float
    if red == largest {
        sector = b - g
    } else if green == largest {
        sector = Float(2 + Double(r) - Double(b))
    } else {
        sector = Float(4 + Double(g) - Double(r))
    }
    let turned = Double(sector) / 6 + 1  // 5/6…11/6
    let hue = Float(turned < 1 ? turned : turned - 1)
    return (UInt8(Double(hue) * 255), UInt8(Double(range / Float(largest)) * 255), largest)
}

/// Pillow's `hsv2rgb`.
private func rgb(_ hue: UInt8, _ saturation: UInt8, _ value: UInt8) -> (UInt8, UInt8, UInt8) {
    if saturation == 0 { return (value, value, value) }
    let angle = Double(hue) * 6 / 255
    let sector = Int(angle)
    let fraction = Float(angle - Double(sector)), share = Float(Double(saturation) / 255)
    func level(_ missing: Double) -> UInt8 {
        let exact = min(max(Double(value) * (1 - missing), 0), 255), whole = UInt8(exact)
        return exact - Double(whole) < 0.5 ? whole : whole + 1
    }
    let low = level(Double(share)), falling = level(Double(share * fraction)), rising = level(Double(share) * (1 - Double(fraction)))
    switch sector % 6 {
    case 0: return (value, rising, low)
    case 1: return (falling, value, low)
    case 2: return (low, value, rising)
    case 3: return (low, falling, value)
    case 4: return (rising, low, value)
    default: return (value, low, falling)
    }
}
