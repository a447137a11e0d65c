import CurricleEngine
import Foundation

/// What lies between ranks, as far as the time of an exchange goes: a message takes `latency + bytes / bytesPerSecond`, either way at once.
package struct Network: Sendable, Equatable, Codable {
    /// Payload that a rank sends a second while it receives as much.
    package var bytesPerSecond: Double
    /// Seconds that a short message takes, the engine's own included.
    package var latency: Double
    /// Seconds of a processor that each byte takes who sends it, and who receives as many.
    package var processorSecondsPerByte: Double

    package enum CodingKeys: String, CodingKey {
        case bytesPerSecond = "bytes_s"
        case latency = "latency_s"
        case processorSecondsPerByte = "processor_s_per_byte"
    }

    package init(bytesPerSecond: Double, latency: Double, processorSecondsPerByte: Double) {
        (self.bytesPerSecond, self.latency, self.processorSecondsPerByte) = (bytesPerSecond, latency, processorSecondsPerByte)
    }

    /// A link by its rate in bits a second, "10G": TCP over Ethernet leaves 1,448 of 1,538 bytes for what is sent; the rest is measured between
    /// two network namespaces of one machine (docs/SCALING.md).
    package init?(rate text: String) {
        let units: [Character: Double] = ["M": 1e6, "G": 1e9, "T": 1e12]
        guard let unit = text.last.flatMap({ units[$0] }), let number = Double(text.dropLast()), number > 0, number.isFinite else {
            return nil
        }
        self.init(bytesPerSecond: number * unit / 8 * 1448 / 1538, latency: 200e-6, processorSecondsPerByte: 1e-9)
    }

    /// What `--network` says: a rate, or the file that `curricle bench exchange --json` wrote.
    /// - Throws: `LearningError`.
    package static func read(_ text: String) throws -> Network {
        if let known = Network(rate: text) { return known }
        guard let data = FileManager.default.contents(atPath: text) else {
            throw LearningError.configuration(
                "--network \(text) is neither a rate, as 10G, nor a file that `curricle bench exchange --json` wrote")
        }
        guard let line = data.split(separator: UInt8(ascii: "\n")).last, let network = try? JSONDecoder().decode(Network.self, from: line),
            network.bytesPerSecond > 0, network.latency >= 0, network.processorSecondsPerByte >= 0
        else { throw LearningError.file(path: text, reason: "is not what `curricle bench exchange --json` writes") }
        return network
    }
}
