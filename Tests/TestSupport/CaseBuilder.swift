import CurricleGraph
import CurricleRandomness
import CurricleTensors

/// How a case's tensors come into its graph.
package enum Feeding: Sendable {
    /// As constants: what the kernel sees is just what was drawn.
    case constants
    /// As products of constants and a parameter each, so that the gradient with respect to the tensor reaches a parameter.
    case parameters
}

/// Draws tensors for a small graph, and remembers them for the interpreter and for the runtime alike.
package struct CaseBuilder {
    package var graph = Graph()
    package private(set) var given = GivenTensors()
    private var random: Philox
    private let feeding: Feeding
    /// Which drawn tensor gets a NaN, counted from 0; nil for none.
    private let poisoned: Int?
    private var drawn = 0

    package init(seed: UInt64, feeding: Feeding, poisoned: Int? = nil) {
        random = Philox(seed: seed)
        self.feeding = feeding
        self.poisoned = poisoned
    }

    /// How many tensors of floats were drawn: how many there are to poison.
    package var drawnTensors: Int { drawn }

    private mutating func values(_ count: Int, _ range: ClosedRange<Double>) -> [Float] {
        var values = (0..<count).map { _ in Float(random.uniform(range.lowerBound, range.upperBound)) }
        if drawn == poisoned { values[random.integer(below: count)] = .nan }
        drawn += 1
        return values
    }

    /// Adds a node and returns its first output.
    package mutating func append(_ operation: Operation, _ inputs: [ValueID]) throws -> ValueID { try graph.append(operation, inputs)[0] }

    /// Fixed values.
    package mutating func constant(_ shape: [Int], in range: ClosedRange<Double> = -1...1) throws -> ValueID {
        try graph.define(constant: "constant.\(drawn)", values(shape.reduce(1, *), range), shape: shape)
    }

    /// A tensor of activations: see `Feeding`.
    package mutating func tensor(_ shape: [Int], in range: ClosedRange<Double> = -1...1) throws -> ValueID {
        guard feeding == .parameters else { return try constant(shape, in: range) }
        let depth = 3, x = try constant(shape.dropLast() + [depth], in: range)
        return try append(.linear(LinearForm()), [x, parameter([shape.last!, depth])])
    }

    /// A parameter of its own: `[rows, depth]`, or `[width]`.
    package mutating func parameter(
        _ shape: [Int], sections: Int = 1, in range: ClosedRange<Double> = -1...1, element: ElementType = .float32
    ) throws -> ValueID {
        let parameter = Parameter(
            name: "parameter.\(given.parameters.count)", shape: shape, sections: sections, group: .autoencoder, decays: shape.count > 1,
            element: element)
        given.parameters.append((parameter, values(shape.reduce(1, *), range)))
        return try graph.append(.parameter(ParameterSlice(parameter)))[0]
    }

    /// The batch's patches [N, L, P].
    package mutating func patches(_ shape: [Int]) throws -> ValueID {
        given.inputs[.patches] = values(shape.reduce(1, *), -2...2)
        return try graph.append(.input(.patches), type: TensorType(shape))[0]
    }

    /// A random order of patches for each image, [N, L].
    package mutating func order(_ images: Int, _ patches: Int) throws -> ValueID {
        given.inputs[.order] = (0..<images).flatMap { _ in random.permutation(patches).map(Float.init) }
        return try graph.append(.input(.order), type: TensorType([images, patches], .int32))[0]
    }

    package mutating func curriculum(_ value: Float) throws -> ValueID {
        given.inputs[.curriculum] = [value]
        return try graph.append(.input(.curriculum), type: TensorType([1]))[0]
    }

    /// Step scalars: learning rate, step size, 1/√(1−β₂ᵗ), gradient scale.
    package mutating func step(_ values: [Float]) throws -> ValueID {
        given.inputs[.step] = values
        return try graph.append(.input(.step), type: TensorType([4]))[0]
    }

    /// Pixels u8 [N, H, W, C], and their scale and shift [2, C].
    package mutating func pixels(_ shape: [Int]) throws -> [ValueID] {
        given.inputs[.pixels] = (0..<shape.reduce(1, *)).map { _ in Float(random.integer(below: 256)) }
        given.inputs[.pixelScaleShift] = (0..<2 * shape[3]).map { _ in Float(random.uniform(-1, 1)) }
        return [
            try graph.append(.input(.pixels), type: TensorType(shape, .uint8))[0],
            try graph.append(.input(.pixelScaleShift), type: TensorType([2, shape[3]]))[0]
        ]
    }

    package mutating func result(_ name: String, _ value: ValueID) { graph.results.append((name, value)) }
}
