import CurricleGraph
import CurricleTensors
import Testing

@Suite("Graph")
struct GraphTests {
    private func input(_ graph: inout Graph, _ shape: [Int]) throws -> ValueID {
        try graph.append(.input(.patches), type: TensorType(shape))[0]
    }

    @Test("equal pure nodes are one node, effects are not")
    func equalNodes() throws {
        var graph = Graph()
        let x = try input(&graph, [1, 4])
        #expect(try graph.append(.sigmoid, [x]) == graph.append(.sigmoid, [x]))
        #expect(try graph.append(.add, [x, x]) != graph.append(.multiply, [x, x]))
        let nodes = graph.nodes.count
        try graph.append(.guardFinite, [x])
        try graph.append(.guardFinite, [x])
        #expect(graph.nodes.count == nodes + 2)
    }

    @Test("pruning keeps what results, gradients and effects need")
    func pruning() throws {
        var graph = Graph()
        let x = try input(&graph, [1, 4]), y = try graph.append(.sigmoid, [x])[0], z = try graph.append(.add, [y, x])[0]
        try graph.append(.multiply, [z, z])
        graph.results.append(("y", y))
        try graph.append(.guardFinite, [try graph.append(.mean, [z])[0]])
        #expect(try graph.pruned().nodes.map(\.operation.name) == ["input", "sigmoid", "add", "mean", "guardFinite"])
        #expect(try graph.pruned().verify().isEmpty)
    }

    @Test("inputs that do not fit are refused with the operation's name")
    func refused() throws {
        var graph = Graph()
        let x = try input(&graph, [2, 5, 8]), w = try graph.define(constant: "w", Array(repeating: 0, count: 21), shape: [3, 7])
        let wrong: [(Operation, [ValueID])] = [
            (.linear(LinearForm()), [x, w]), (.linear(LinearForm(bias: true)), [x, w]), (.attention(heads: 3), [x]), (.add, [x, w]),
            (.multiply, [x, w]), (.selectRows(RowSelection(first: 3, count: 3)), [x]), (.selectRows(RowSelection(first: 0, count: 0)), [x]),
            (.layerNorm(epsilon: 1e-6), [x, w, w]), (.rowDot, [x, w]), (.scaleRows, [x, w]), (.meanRows(first: 2, count: 4), [x]),
            (.patchError(PatchErrorForm(normalized: false, first: 1)), [x, x]), (.patchify(patch: 2), [x, x]), (.prependRow, [x, w]),
            (.mean, [])
        ]
        for (operation, inputs) in wrong {
            do {
                try graph.append(operation, inputs)
                Issue.record("\(operation.text) was not refused")
            } catch { #expect(error.operation == operation.name) }
        }
        #expect(throws: GraphError.self) { try graph.define(constant: "c", [1, 2], shape: [3]) }
    }

    @Test("the text form names operations, attributes, types and results")
    func text() throws {
        var graph = Graph()
        let x = try input(&graph, [2, 5, 8])
        let rows = try graph.append(.selectRows(RowSelection(first: 1, count: 3, lead: true)), [x])[0]
        graph.results.append(("rows", rows))
        #expect(
            graph.description == """
                %0 = input(patches) : f32[2, 5, 8]
                %1 = selectRows(0 and 1..<4) %0 : f32[2, 4, 8]
                result rows %1
                """)
    }

    @Test("stored sizes pad each section to whole panels", arguments: [([30], 3, 48), ([48, 5], 3, 240), ([17, 3], 1, 96), ([1], 1, 16)])
    func storedSizes(shape: [Int], sections: Int, stored: Int) {
        let type = TensorType(shape, layout: .panels(sections: sections))
        #expect(type.storedCount == stored && type.bytes == 4 * stored && type.count == shape.reduce(1, *))
    }
}
