import CurricleGraph
import CurricleProgram
import CurricleTensors

/// Where every value of an ordered graph lives.
struct Placement {
    private(set) var operands: [ValueID: Operand] = [:]
    private(set) var buffers: [PlannedBuffer] = []
    private(set) var inputs: [GivenPlace] = []
    private(set) var results: [ResultPlace] = []
    private(set) var resultBytes = 0
    private(set) var plan: MemoryPlan
    /// What goes through several instructions by blocks of rows.
    let chains: [RowChain]

    /// - Throws: `GraphError` for a parameter that the layout lacks, or a result that no instruction makes.
    /// - Parameters:
    ///   - guardBytes: left free behind each buffer.
    ///   - chains: by rising steps.
    init(
        _ graph: Graph, layout: ParameterLayout, constants: inout ConstantPool, guardBytes: Int = 0, effort: MemoryPlan.Effort = .exact,
        chains: [RowChain] = []
    ) throws(GraphError) {
        self.chains = chains
        var fixed: [ValueID: Operand] = [:]
        for node in graph.nodes {
            guard let output = node.outputs.first else { continue }
            switch node.operation {
            case .input(let name):
                fixed[output] = Operand(.given(inputs.count), 0)
                inputs.append(GivenPlace(name: name, type: graph.type(output)))
            case .parameter(let slice): fixed[output] = Operand(.parameters, try layout.offset(of: slice))
            case .gradient(let slice): fixed[output] = Operand(.gradients, try layout.offset(of: slice))
            case .constant(let name):
                guard let values = graph.constants[name] else { throw GraphError(operation: "constant \(name)", problem: "has no values") }
                fixed[output] = Operand(.constants, constants.place(name, values))
            case .uniform(let value):  // the gradient of a mean, where it is not folded into its user
                let count = graph.type(output).storedCount
                fixed[output] = Operand(.constants, constants.place("uniform \(value) of \(count)", Array(repeating: value, count: count)))
            default: break  // what an instruction makes is placed below
            }
        }
        for (slice, value) in graph.gradients { fixed[value] = Operand(.gradients, try layout.offset(of: slice)) }
        for (name, value) in graph.results {
            let type = graph.type(value)
            if fixed[value] == nil {
                fixed[value] = Operand(.results, resultBytes)
                resultBytes += MemoryPlan.aligned(type.bytes)
            }
            guard let place = fixed[value], place.segment == .results else {
                throw GraphError(operation: "result \(name)", problem: "is not computed by the program")
            }
            results.append(ResultPlace(name: name, type: type, offset: place.offset))
        }
        operands = fixed

        // One instruction a node that is not a leaf, but in chains, whose nodes take turns; leaves take no place in time.
        var lastUse: [ValueID: Int] = [:], isUsed: Set<ValueID> = []
        var steps: [(time: ClosedRange<Int>, node: Node)] = [], time = 0
        for (step, node) in graph.computed.enumerated() {
            let chain = chains.first { $0.steps.contains(step) }
            if chain == nil || chain?.steps.lowerBound == step {
                steps.append((time...(time + (chain?.count ?? 1) - 1), node))
                time += chain?.count ?? 1
            } else {
                steps.append((steps[steps.count - 1].time, node))
            }
            isUsed.formUnion(node.inputs)
            for value in node.inputs + node.outputs { lastUse[value] = steps[step].time.upperBound }
        }
        var home: [ValueID: Int] = [:]  // value → request
        var requests: [(bytes: Int, first: Int, last: Int, name: String)] = []
        for (time, node) in steps {
            let (optional, sharable) = try graph.memoryRules(node)
            for output in node.outputs where fixed[output] == nil {
                let bytes = RowChain.bytes(output, graph.type(output), chains), last = lastUse[output] ?? time.upperBound
                if optional.contains(output), !optional.contains(where: { isUsed.contains($0) || fixed[$0] != nil }) { continue }
                let shared = sharable.first { pair in
                    guard pair.output == output, let request = home[pair.input] else { return false }
                    return requests[request].last == time.upperBound && requests[request].bytes >= bytes
                        && node.inputs.filter { home[$0] == request }.count == 1
                }
                if let shared, let request = home[shared.input] {
                    requests[request].last = last
                    home[output] = request
                } else {
                    home[output] = requests.count
                    requests.append((bytes, time.lowerBound, last, "%\(output.index) \(node.operation.name)"))
                }
            }
        }
        plan = MemoryPlan(
            requests.map { BufferRequest(bytes: MemoryPlan.aligned($0.bytes) + guardBytes, lifetime: $0.first...$0.last) },
            effort: effort)
        for (value, request) in home { operands[value] = Operand(.arena, plan.offsets[request]) }
        buffers = zip(requests, plan.offsets).map {
            PlannedBuffer(name: $0.name, offset: $1, bytes: MemoryPlan.aligned($0.bytes), lifetime: $0.first...$0.last)
        }
    }

    func operand(_ value: ValueID) -> Operand? { operands[value] }
}
