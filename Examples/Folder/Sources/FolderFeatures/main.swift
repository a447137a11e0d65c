// Features of a folder of images, and what each is most like:   FolderFeatures WEIGHTS IMAGES
import Curricle
import Foundation

let arguments = CommandLine.arguments
guard arguments.count == 3 else {
    print("usage: FolderFeatures WEIGHTS IMAGES")
    exit(2)
}
do {
    let encoder = try ImageEncoder(EncoderWeights(arguments[1]))
    let images = try Images(arguments[2])
    let features = try encoder.features(of: images)
    for row in features.indices.prefix(5) {
        let nearest = try features.nearest(to: row, count: 1).map(images.name)
        print(images.name(at: row), "is most like", nearest.first ?? "nothing")
    }
    print("\(features.count) images, \(features.width) numbers each")
} catch {
    print("error: \(error)")
}
