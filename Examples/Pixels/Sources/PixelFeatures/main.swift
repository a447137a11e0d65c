// Features of a picture in memory, by an encoder that is also written for a device:   PixelFeatures WEIGHTS PROGRAM
import Curricle
import Foundation

let arguments = CommandLine.arguments
guard arguments.count == 3 else {
    print("usage: PixelFeatures WEIGHTS PROGRAM")
    exit(2)
}
do {
    let encoder = try ImageEncoder(EncoderWeights(arguments[1]), kind: .mean, threads: 1)
    let (height, width) = encoder.imageSize
    let gradient = (0..<height * width * encoder.channels).map { UInt8($0 * 255 / (height * width * encoder.channels)) }
    let features = try encoder.features(ofPixels: gradient)
    print(features[0].prefix(4).map { $0 }, "…", features.width, "numbers")
    try encoder.write(to: arguments[2])
} catch {
    print("error: \(error)")
}
