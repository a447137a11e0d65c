import Dispatch
import Synchronization
import CurricleVision

/// Mean and deviation of each channel over all pixels of many images.
///
/// Sums of bytes and of their squares are kept as whole numbers (10^14 pixels fit), so the order in which images come changes no bit.
package struct ChannelStatistics: Sendable, Equatable {
    package private(set) var images = 0
    package private(set) var pixels = 0
    /// Σx and Σx², for each channel.
    private var sums: [Int] = []
    private var squares: [Int] = []

    package init() {}

    /// 0 before the first image.
    package var channels: Int { sums.count }

    /// μ / 255, for each channel.
    package var mean: [Double] { sums.map { Double($0) / Double(pixels) / 255 } }

    /// √(Σx² / n − μ²) / 255, for each channel: the deviation of the pixels there are (n, not n − 1).
    package var deviation: [Double] {
        zip(sums, squares).map { sum, square in
            let mean = Double(sum) / Double(pixels)
            return max(0, Double(square) / Double(pixels) - mean * mean).squareRoot() / 255
        }
    }

    /// Of one image.
    package init(of image: PixelImage) {
        images = 1
        pixels = image.width * image.height
        image.pixels.withUnsafeBufferPointer { bytes in
            for channel in 0..<image.channels {
                var sum = 0, square = 0
                for i in stride(from: channel, to: bytes.count, by: image.channels) {
                    let value = Int(bytes[i])
                    sum += value
                    square += value * value
                }
                sums.append(sum)
                squares.append(square)
            }
        }
    }

    /// Adds what was counted elsewhere.
    /// - Parameter name: what the error calls it.
    /// - Throws: `channelMismatch` when it has other channels than what is here already.
    package mutating func add(_ other: ChannelStatistics, name: String) throws(VisionError) {
        if images == 0 {
            self = other
            return
        }
        guard other.channels == channels else { throw .channelMismatch(name: name, has: other.channels, wants: channels) }
        images += other.images
        pixels += other.pixels
        for channel in 0..<channels {
            sums[channel] += other.sums[channel]
            squares[channel] += other.squares[channel]
        }
    }
}

extension ChannelStatistics {
    /// Over the images of a dataset, decoded on all processors.
    /// - Parameters:
    ///   - limit: most images to look at; fewer than there are lie evenly over the dataset.
    ///   - progress: told now and then how many images are done.
    /// - Returns: the sums, and what is wrong with each image that could not be used, also for having other channels than the first.
    package static func over(
        _ source: any ImageSource, limit: Int = .max, progress: (Int) -> Void = { _ in }
    ) -> (statistics: ChannelStatistics, broken: [VisionError]) {
        let count = min(source.count, max(0, limit)), block = 256
        var total = ChannelStatistics()
        var broken: [VisionError] = []
        for first in stride(from: 0, to: count, by: block) {
            let indices = (first..<min(first + block, count)).map {
                count == source.count ? $0 : Int((Double($0) + 0.5) * Double(source.count) / Double(count))
            }
            for (index, result) in zip(indices, images(indices, of: source)) {
                do throws(VisionError) {
                    try total.add(result.get(), name: "\(source.name(at: index))")
                } catch {
                    broken.append(error)
                }
            }
            progress(first + indices.count)
        }
        return (total, broken)
    }

    /// Each image's statistics, in the order of `indices`.
    private static func images(_ indices: [Int], of source: any ImageSource) -> [Result<ChannelStatistics, VisionError>] {
        let found = Mutex<[Int: Result<ChannelStatistics, VisionError>]>([:])
        DispatchQueue.concurrentPerform(iterations: indices.count) { place in
            let result: Result<ChannelStatistics, VisionError>
            do throws(VisionError) {
                result = .success(ChannelStatistics(of: try source.image(at: indices[place])))
            } catch {
                result = .failure(error)
            }
            found.withLock { $0[place] = result }
        }
        return found.withLock { found in indices.indices.compactMap { found[$0] } }
    }
}
