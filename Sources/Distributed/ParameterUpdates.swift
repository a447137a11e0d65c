import CurricleCompiler
import CurricleEngine
import CurricleGraph
import CurricleProgram
import CurricleRuntime
import CurricleTensors

/// How the gradients of batches become updates of a model's groups: each parameter as soon as its gradient is whole, or all of a group from
/// gradients that are stored, added up over batches and pieces, and clipped.
package struct ParameterUpdates {
    package let adamw: AdamW
    /// Largest norm of a group's gradient; nil for none.
    package let clip: Float?
    /// Whether gradients are stored.
    package let stores: Bool
    /// What moments are kept as: the rounding of bf16 is drawn by the update's number.
    package let moments: ElementType
    /// Updates done so far: AdamW's t, for each group its own.
    package var counts: [ParameterGroup: Int]

    package init(_ adamw: AdamW, clip: Float?, stores: Bool, moments: ElementType, groups: [ParameterGroup]) {
        self.adamw = adamw
        self.clip = clip
        self.stores = stores
        self.moments = moments
        counts = Dictionary(uniqueKeysWithValues: groups.map { ($0, 0) })
    }

    /// What a batch's program does with its gradients.
    /// - Parameter adding: whether there are some of the update's already.
    package func update(adding: Bool) -> Update { stores ? .store(adding: adding) : .immediate(adamw) }

    /// Adds what a batch's program needs to update at once.
    package func complete(_ inputs: inout RunInputs, _ group: ParameterGroup, rate: Double) throws {
        if !stores { try give(&inputs, group, rate: rate, batches: 1) }
    }

    /// Ends an update: applies gradients that are stored, the mean over so many batches.
    /// - Parameter exchange: where other ranks own a part of them: what they have of the norm.
    /// - Returns: their norm before clipping, where they are clipped.
    package mutating func finish(
        _ group: ParameterGroup, _ model: ModelRuntime, rate: Double, batches: Int, among exchange: GradientExchange? = nil
    ) throws -> Float? {
        var norm: Float?
        if stores {
            var inputs: RunInputs = [:]
            try give(&inputs, group, rate: rate, batches: batches)
            if clip != nil, let exchange { inputs[.squares] = .memory(try exchange.squares(group)) }
            let executable = try model.executable(.update(group, adamw, clip: clip, owned: exchange?.owned(group)))
            _ = try model.session.run(executable, inputs)
            if clip != nil { norm = try model.result("gradient norm", of: executable)[0] }
        }
        counts[group] = try next(group)
        return norm
    }

    private func next(_ group: ParameterGroup) throws -> Int {
        guard let count = counts[group] else { throw GraphError(operation: "update of the \(group)", problem: "it is not trained here") }
        return count + 1
    }

    private func give(_ inputs: inout RunInputs, _ group: ParameterGroup, rate: Double, batches: Int) throws {
        let number = try next(group)
        inputs[.step] = .numbers(adamw.scalars(update: number, learningRate: rate, batches: batches))
        if moments == .bfloat16 { inputs[.updateNumber] = .numbers([Float(number)]) }
    }
}

extension AdamW {
    /// The input `step` of update t, from 1: lr, lr/(1−β₁ᵗ), 1/√(1−β₂ᵗ), gradient scale.
    package func scalars(update: Int, learningRate: Double, batches: Int) -> [Float] {
        let t = Double(update), first = 1 - power(beta1, t), second = 1 - power(beta2, t)
        return [Float(learningRate), Float(learningRate / first), Float(1 / second.squareRoot()), 1 / Float(batches)]
    }
}
