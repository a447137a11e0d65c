import Graph
import Program

/// What becomes of the gradients of a training program.
public enum Update: Sendable, Hashable {
    /// Each parameter is updated as soon as its gradient is whole.
    case immediate(AdamW)
    /// Gradients stay in their segment; the first of a group of batches writes them, the others add.
    case store(adding: Bool)
    /// Gradients are results, named `grad.NAME`.
    case expose
}

/// What to train: which loss, for whose parameters, and how.
public struct Training: Sendable {
    public let loss: ValueID
    public let group: ParameterGroup
    public let update: Update
    public init(loss: ValueID, group: ParameterGroup, update: Update) {
        self.loss = loss
        self.group = group
        self.update = update
    }
}

/// The passes, in order. Each has a name, which errors and `dump` show.
public struct Pipeline: Sendable {
    /// Receives the graph after each pass.
    public var dump: (@Sendable (_ pass: String, _ text: String) -> Void)?
    /// Passes to leave out by name: to find the one that breaks something.
    public var skipping: Set<String> = []

    public init() {}

    /// Compiles a described graph into a program.
    /// - Parameter arenaLimit: the most bytes the arena may have: as little as gets there is computed a second time instead of
    ///   kept. Where nothing gets there, the program is the smallest there is: compare its `arenaBytes`.
    /// - Throws: `GraphError` naming the pass's operation that cannot be.
    public func compile(
        _ described: Graph, training: Training? = nil, layout: ParameterLayout, constants: inout ConstantPool, arenaLimit: Int? = nil
    ) throws(GraphError) -> Program {
        var graph = described
        if let training { graph.results.append(("loss", training.loss)) } // keeps the loss known by name while passes renumber
        try apply("prune", to: &graph) { g throws(GraphError) in try g.pruned() }
        try apply("hoist selections", to: &graph) { g throws(GraphError) in try g.hoistingSelections() }
        if let training {
            try apply("differentiate", to: &graph) { g throws(GraphError) in try g.addingTraining(training) }
            try apply("simplify placed rows", to: &graph) { g throws(GraphError) in try g.simplifyingPlacedRows() }
        }
        try apply("fuse epilogues", to: &graph) { g throws(GraphError) in try g.fusingEpilogues() }
        try apply("order updates early", to: &graph) { g throws(GraphError) in try g.orderingUpdatesEarly() }
        var placement = try Placement(graph, layout: layout, constants: &constants)
        let once = graph.flops
        if training != nil, let arenaLimit, placement.plan.bytes > arenaLimit {
            (graph, placement) = try smallest(graph, placement, within: arenaLimit, layout, &constants)
            dump?("recompute", graph.description)
        }
        let accumulating = if case .store(adding: true)? = training?.update { true } else { false }
        let program = Program(
            instructions: try graph.lowered(placement, layout: layout, accumulating: accumulating), buffers: placement.buffers,
            results: placement.results, arenaBytes: placement.plan.bytes, resultBytes: placement.resultBytes,
            lowerBoundBytes: placement.plan.lowerBound, naiveBytes: placement.plan.naive, recomputedFlops: graph.flops - once)
        dump?("program", program.description)
        return program
    }

    /// The graph that computes the least a second time and whose plan is within the limit, or the smallest plan there is.
    /// Choices promise ever less memory, so the first that keeps its promise is found by halving.
    private func smallest(
        _ graph: Graph, _ plain: Placement, within limit: Int, _ layout: ParameterLayout, _ constants: inout ConstantPool
    ) throws(GraphError) -> (Graph, Placement) {
        let choices = RecomputeChoices(ForwardChain(graph)).choices
        func attempt(_ index: Int, _ constants: inout ConstantPool) throws(GraphError) -> (Graph, Placement) {
            let changed = try graph.recomputing(choices[index].recomputation)
            return (changed, try Placement(changed, layout: layout, constants: &constants))
        }
        var best = (graph, plain), low = 0, high = choices.count
        while low < high {
            let middle = (low + high) / 2, tried = try attempt(middle, &constants)
            if tried.1.plan.bytes <= limit { (best, high) = (tried, middle) } else { low = middle + 1 }
        }
        if best.1.plan.bytes <= limit { return best }
        for index in choices.indices { // promises are estimates: one that came before may be kept after all
            let tried = try attempt(index, &constants)
            if tried.1.plan.bytes < best.1.plan.bytes { best = tried }
            if tried.1.plan.bytes <= limit { return tried }
        }
        return best
    }

    private func apply(_ pass: String, to graph: inout Graph, _ transform: (Graph) throws(GraphError) -> Graph) throws(GraphError) {
        let required = pass == "prune" || pass == "differentiate"
        guard required || !skipping.contains(pass) else { return }
        graph = try transform(graph)
        if let problem = graph.verify().first { throw GraphError(operation: "after \(pass): \(problem.operation)", problem: problem.problem) }
        dump?(pass, graph.description)
    }

    /// The update of a group from its stored gradients, with the clip scale from all of them where there is a limit.
    public func compileUpdate(
        group: ParameterGroup, adamw: AdamW, clip: Float?, slices: [ParameterSlice], layout: ParameterLayout
    ) throws(GraphError) -> Program {
        var graph = Graph()
        let step = try graph.append(.input(.step), type: TensorType([4]))[0]
        var scale: [ValueID] = []
        if let clip {
            let squares = try graph.append(.gradientSquares(group, count: (layout.groups[group]?.count ?? 0) / 4))[0]
            let clipped = try graph.append(.clipScale(limit: clip), [squares, step])
            scale = [clipped[0]]
            graph.results.append(("gradient norm", clipped[1]))
        }
        for slice in slices {
            let parameter = try graph.append(.parameter(slice))[0], gradient = try graph.append(.gradient(slice))[0]
            try graph.append(.adamw(slice, adamw, clipped: clip != nil), [parameter, gradient, step] + scale)
        }
        var none = ConstantPool()
        return try compile(graph, layout: layout, constants: &none)
    }
}

extension Graph {
    /// Guard, gradients and what becomes of them.
    fileprivate func addingTraining(_ training: Training) throws(GraphError) -> Graph {
        var graph = self
        guard let loss = results.last?.value else { throw GraphError(operation: "training", problem: "has no loss") }
        graph.results.removeLast()
        try graph.append(.guardFinite, [loss])
        let gradients = try graph.differentiate(loss, for: training.group)
        switch training.update {
        case .immediate(let adamw):
            let step = try graph.append(.input(.step), type: TensorType([4]))[0]
            for (slice, gradient) in gradients {
                let parameter = try graph.append(.parameter(slice))[0]
                try graph.append(.adamw(slice, adamw, clipped: false), [parameter, gradient, step])
            }
        case .store: graph.gradients = gradients
        case .expose: graph.results += gradients.map { ("grad.\($0.slice)", $0.value) }
        }
        return graph
    }
}
