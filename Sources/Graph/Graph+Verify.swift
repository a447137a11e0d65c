extension Graph {
    /// What is wrong with the graph, or nothing: run between passes.
    package func verify() -> [GraphError] {
        var problems: [GraphError] = []
        var made = Set<ValueID>()
        for node in nodes {
            for input in node.inputs where !made.contains(input) {
                problems.append(GraphError(operation: node.operation.text, problem: "reads %\(input.index) before it is made"))
            }
            do throws(GraphError) {
                let expected = try node.operation.outputTypes(node.inputs.map(type), leaf: node.outputs.first.map(type))
                if expected != node.outputs.map(type) {
                    problems.append(GraphError(operation: node.operation.text, problem: "makes \(node.outputs.map(type)), not \(expected)"))
                }
            } catch { problems.append(error) }
            made.formUnion(node.outputs)
        }
        for result in results where !made.contains(result.value) {
            problems.append(GraphError(operation: "result \(result.name)", problem: "is never made"))
        }
        return problems
    }
}
