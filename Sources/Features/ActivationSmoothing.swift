import CurricleDatasets
import CurricleEngine
import CurricleModels
import CurricleRuntime
import CurricleVision

/// SmoothQuant (Xiao et al., ICML 2023, section 4): channels in which a LayerNorm's output is far larger than in others are divided by what the
/// columns behind are multiplied by. The function stays the same, and the bytes of a row are no longer spent on a few of its numbers.
package struct ActivationSmoothing {
    /// By the names of weights [out, D]: the largest magnitude of each of the D channels that they are multiplied with.
    private let largest: [String: [Float]]

    /// Looks at what an encoder computes of some images.
    /// - Parameter extractor: in float32.
    /// - Throws: the first broken image's `VisionError`; `LearningError`.
    package init(_ extractor: FeatureExtractor, _ source: any ImageSource, batchSize: Int = 8) throws {
        var largest: [String: [Float]] = [:]
        let model = extractor.model, width = model.configuration.embedWidth
        try extractor.description.model.forEachBatch(
            of: source, extractor.description.normalization, images: batchSize, preprocessing: extractor.preprocessing,
            passOrder: extractor.passOrder, strict: true, report: { _ in }
        ) { batch in
            let executable = try model.executable(.normalizedInputs(images: batch.samples.count))
            _ = try model.session.run(executable, [.patches: .memory(UnsafeRawBufferPointer(batch.patches))])
            for place in executable.program.results {
                var most = largest[place.name] ?? Array(repeating: 0, count: width)
                for (i, x) in model.session.result(place).enumerated() { most[i % width] = max(most[i % width], x.magnitude) }
                largest[place.name] = most
            }
            return true
        }
        self.largest = largest
    }

    /// Gives an encoder of bytes the weights of one in float32, smoothed: channel k of the LayerNorm is divided, column k of the weight multiplied
    /// by max|x_k|^α / max|W_k|^(1 − α).
    /// - Parameter strength: α, 0 ... 1: how much of the range goes from the rows into the weights.
    package func apply(_ strength: Double, from exact: ModelRuntime, to bytes: ModelRuntime) {
        func values(_ name: String) -> [Float]? { exact.parameters[name].map { exact.values(of: $0, in: exact.session.parameters) } }
        func set(_ name: String, _ values: [Float]) {
            if let parameter = bytes.parameters[name] { bytes.set(parameter, in: bytes.session.parameters, values) }
        }
        for (name, most) in largest {
            let norm = name.replacing("attn.qkv.weight", with: "norm1").replacing("mlp.fc1.weight", with: "norm2"), width = most.count
            guard let weight = values(name), let gamma = values("\(norm).weight"), let beta = values("\(norm).bias") else { continue }
            var column = Array(repeating: Float(0), count: width)
            for (i, w) in weight.enumerated() { column[i % width] = max(column[i % width], w.magnitude) }
            let scale = zip(most, column).map { x, w -> Float in
                guard x > 0, w > 0 else { return 1 }
                return Float(power(Double(x), strength) / power(Double(w), 1 - strength))
            }
            set(name, weight.enumerated().map { $0.element * scale[$0.offset % width] })
            set("\(norm).weight", zip(gamma, scale).map { $0 / $1 })
            set("\(norm).bias", zip(beta, scale).map { $0 / $1 })
        }
    }
}
