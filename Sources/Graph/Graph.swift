import CurricleTensors

/// Names a value of one graph.
package struct ValueID: Sendable, Hashable, Comparable {
    package let index: Int
    package init(index: Int) { self.index = index }
    package static func < (a: ValueID, b: ValueID) -> Bool { a.index < b.index }
}

package struct Node: Sendable {
    package let operation: Operation
    package let inputs: [ValueID]
    package let outputs: [ValueID]

    package var isLeaf: Bool { operation.role == .leaf }
}

/// A static graph of tensor operations. Nodes are in an order in which they can be run; equal pure nodes are one node.
package struct Graph: Sendable {
    package private(set) var nodes: [Node] = []
    package private(set) var types: [TensorType] = []
    private var producers: [Int?] = []
    private var known: [Key: [ValueID]] = [:]
    /// Values of constants by name, row-major.
    package private(set) var constants: [String: [Float]] = [:]
    /// What a run hands back, by name.
    package var results: [(name: String, value: ValueID)] = []
    /// Gradients that stay between programs, to be added up.
    package var gradients: [(slice: ParameterSlice, value: ValueID)] = []

    private struct Key: Hashable {
        let operation: Operation
        let inputs: [ValueID]
    }

    package init() {}

    /// The nodes that become instructions, in order.
    package var computed: [Node] { nodes.filter { !$0.isLeaf } }

    package func type(_ value: ValueID) -> TensorType { types[value.index] }
    package func shape(_ value: ValueID) -> [Int] { types[value.index].shape }
    /// The node that makes a value.
    package func producer(_ value: ValueID) -> Node? { producers[value.index].map { nodes[$0] } }

    /// Adds a node, or finds the equal one, and returns its outputs.
    /// - Parameter again: adds it even where there is an equal one: to compute something a second time.
    /// - Throws: `GraphError` where the inputs do not fit the operation.
    @discardableResult
    package mutating func append(
        _ operation: Operation, _ inputs: [ValueID] = [], type: TensorType? = nil, again: Bool = false
    ) throws(GraphError) -> [ValueID] {
        let key = Key(operation: operation, inputs: inputs)
        if operation.role != .effect, !again, let outputs = known[key] { return outputs }
        let outputTypes = try operation.outputTypes(inputs.map { types[$0.index] }, leaf: type)
        let outputs = outputTypes.indices.map { ValueID(index: types.count + $0) }
        types += outputTypes
        producers += outputs.map { _ in nodes.count }
        nodes.append(Node(operation: operation, inputs: inputs, outputs: outputs))
        if operation.role != .effect, !again { known[key] = outputs }
        return outputs
    }

    /// How many nodes, results and gradients read each value.
    package func useCounts() -> [Int] {
        var counts = Array(repeating: 0, count: types.count)
        for node in nodes { for input in node.inputs { counts[input.index] += 1 } }
        for result in results { counts[result.value.index] += 1 }
        for gradient in gradients { counts[gradient.value.index] += 1 }
        return counts
    }

    package mutating func define(constant name: String, _ values: [Float], shape: [Int]) throws(GraphError) -> ValueID {
        guard values.count == shape.reduce(1, *) else {
            throw GraphError(operation: "constant \(name)", problem: "\(values.count) values for shape \(shape)")
        }
        constants[name] = values
        return try append(.constant(name), type: TensorType(shape))[0]
    }

    /// Keeps the constants of another graph: a rewritten graph names the same ones.
    package mutating func adoptConstants(of other: Graph) { constants.merge(other.constants) { mine, _ in mine } }
}

package struct GraphError: Error, Sendable, Equatable, CustomStringConvertible {
    package let operation: String
    package let problem: String
    package init(operation: String, problem: String) {
        self.operation = operation
        self.problem = problem
    }
    package var description: String { "graph: \(operation): \(problem)" }
}
