/// How bytes become the model's numbers: (x / 255 − mean) / std, for each channel.
///
/// It is computed as x · scale + shift: one multiplication and one addition, not fused, with
/// scale = Float(1 / (255 · std)) and shift = Float(−mean / std), both taken in Double. A C twin that does the same gives the same bits.
package struct PixelNormalization: Sendable, Equatable, Codable {
    /// One value for all channels, or one for each.
    package var mean: [Float]
    /// One value for all channels, or one for each; positive.
    package var std: [Float]

    package init(mean: [Float], std: [Float]) {
        self.mean = mean
        self.std = std
    }

    /// ImageNet's mean and standard deviation, as MAE uses them.
    package static let imageNet = PixelNormalization(mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225])
    /// Plain x / 255.
    package static let unit = PixelNormalization(mean: [0], std: [1])

    /// - Throws: `invalidNormalization` unless there are one or `channels` finite values of each, every std positive.
    package func validate(channels: Int) throws(VisionError) {
        for (what, values) in [("mean", mean), ("std", std)] where values.count != 1 && values.count != channels {
            throw .invalidNormalization(reason: "\(values.count) values of \(what) for \(channels) channels")
        }
        guard mean.allSatisfy(\.isFinite), std.allSatisfy({ $0.isFinite && $0 > 0 }) else {
            throw .invalidNormalization(reason: "mean must be finite and std positive")
        }
    }

    /// scale and shift of each channel: [C] and [C].
    package func scaleAndShift(channels: Int) -> (scale: [Float], shift: [Float]) {
        precondition(!mean.isEmpty && !std.isEmpty, "a normalisation has at least one mean and one std")
        var scale: [Float] = []
        var shift: [Float] = []
        for channel in 0..<channels {
            let mean = Double(mean[min(channel, mean.count - 1)])
            let std = Double(std[min(channel, std.count - 1)])
            scale.append(Float(1 / (255 * std)))
            shift.append(Float(-mean / std))
        }
        return (scale, shift)
    }
}
