import CurricleGraph
import CurricleProgram
import CurricleTensors

/// What becomes of the gradients of a training program.
package enum Update: Sendable, Hashable {
    /// Each parameter is updated as soon as its gradient is whole.
    case immediate(AdamW)
    /// Gradients stay in their segment; the first of a group of batches writes them, the others add.
    case store(adding: Bool)
    /// Gradients are results, named `grad.NAME`.
    case expose
}

/// What to train: from which value back, with respect to what.
package struct Training: Sendable {
    /// Where the backward pass begins.
    package enum Start: Sendable {
        /// A scalar (for several, the last), whose gradient is its weight: the share of a whole batch that it stands for.
        case loss(ValueID, weight: Float)
        /// Any value, with the gradient that the caller provides.
        case given(ValueID, upstream: ValueID)
    }
    /// Where it ends.
    package enum Target: Sendable {
        case parameters(ParameterGroup, Update)
        /// Gradients of inputs, as results `grad.NAME`.
        case inputs([InputName])
    }
    package let start: Start
    package let target: Target

    package init(_ start: Start, _ target: Target) {
        self.start = start
        self.target = target
    }

    package init(loss: ValueID, group: ParameterGroup, update: Update) {
        self.init(.loss(loss, weight: 1), .parameters(group, update))
    }

    /// The values of the described graph that it names.
    fileprivate var values: [ValueID] {
        switch start {
        case .loss(let loss, _): [loss]
        case .given(let value, let upstream): [value, upstream]
        }
    }
}

/// The passes, in order. Each has a name, which errors and `dump` show.
package struct Pipeline: Sendable {
    /// Receives the graph after each pass.
    package var dump: (@Sendable (_ pass: String, _ text: String) -> Void)?
    /// Whether products take operands of bf16.
    package var usesBfloat16 = false
    /// Whether AdamW's moments are kept as bf16.
    package var narrowsMoments = false
    /// Passes to leave out by name: to find the one that breaks something.
    package var skipping: Set<String> = []
    /// Bytes left free behind each buffer, for a session that checks them; a multiple of 64.
    #if DEBUG
    package var guardBytes = 64
    #else
    package var guardBytes = 0
    #endif

    /// Whether memory is planned at all: without, a program cannot run, but its `arenaBytes` are the least that any plan has.
    package var plansMemory = true
    private var effort: MemoryPlan.Effort { plansMemory ? .exact : .bound }

    package init() {}

    /// Compiles a described graph into a program.
    /// - Parameter arenaLimit: the most bytes the arena may have: as little as gets there is computed a second time instead of
    ///   kept. Where nothing gets there, the program is the smallest there is: compare its `arenaBytes`.
    /// - Throws: `GraphError` naming the pass's operation that cannot be.
    package func compile(
        _ described: Graph, training: Training? = nil, layout: ParameterLayout, constants: inout ConstantPool, arenaLimit: Int? = nil
    ) throws(GraphError) -> Program {
        var graph = described
        if let training { graph.results += training.values.map { ("training", $0) } }  // keeps track of them while passes renumber
        try apply("prune", to: &graph) { g throws(GraphError) in try g.pruned() }
        try apply("hoist selections", to: &graph) { g throws(GraphError) in try g.hoistingSelections() }
        if let training {
            try apply("differentiate", to: &graph) { g throws(GraphError) in try g.addingTraining(training) }
            try apply("simplify placed rows", to: &graph) { g throws(GraphError) in try g.simplifyingPlacedRows() }
        }
        try apply("fuse epilogues", to: &graph) { g throws(GraphError) in try g.fusingEpilogues() }
        if usesBfloat16 { try apply("choose precision", to: &graph) { g throws(GraphError) in try g.choosingBfloat16() } }
        if narrowsMoments { try apply("narrow moments", to: &graph) { g throws(GraphError) in try g.narrowingMoments() } }
        try apply("quantise rows", to: &graph) { g throws(GraphError) in try g.quantizingRows() }
        try apply("order updates early", to: &graph) { g throws(GraphError) in try g.orderingUpdatesEarly() }
        var placement = try Placement(
            graph, layout: layout, constants: &constants, guardBytes: guardBytes, effort: effort,
            chains: training == nil && !skipping.contains("row chains") ? graph.rowChains() : [])
        let once = try graph.flops()
        if training != nil, let arenaLimit, placement.plan.bytes > arenaLimit {
            (graph, placement) = try smallest(graph, placement, within: arenaLimit, layout, &constants)
            dump?("recompute", graph.description)
        }
        let accumulating = if case .parameters(_, .store(adding: true))? = training?.target { true } else { false }
        let program = Program(
            instructions: try graph.lowered(placement, layout: layout, accumulating: accumulating), buffers: placement.buffers,
            inputs: placement.inputs, results: placement.results, arenaBytes: placement.plan.bytes, resultBytes: placement.resultBytes,
            lowerBoundBytes: placement.plan.lowerBound, naiveBytes: placement.plan.naive, recomputedFlops: try graph.flops() - once,
            guardBytes: guardBytes)
        dump?("program", program.description)
        return program
    }

    /// The graph that computes the least a second time and whose plan is within the limit, or the smallest plan there is.
    /// Choices promise ever less memory, so the first that keeps its promise is found by halving; promises are estimates, so
    /// where the smallest breaks its own, others are looked at. Only the one taken is planned with the exact search.
    private func smallest(
        _ graph: Graph, _ plain: Placement, within limit: Int, _ layout: ParameterLayout, _ constants: inout ConstantPool
    ) throws(GraphError) -> (Graph, Placement) {
        let choices = RecomputeChoices(try ForwardChain(graph)).choices
        var bytes: [Int: Int] = [:]
        func attempt(_ index: Int, exact: Bool, _ constants: inout ConstantPool) throws(GraphError) -> (Graph, Placement) {
            let changed = try graph.recomputing(choices[index].recomputation)
            let placement = try Placement(
                changed, layout: layout, constants: &constants, guardBytes: guardBytes, effort: exact ? effort : .greedy)
            bytes[index] = placement.plan.bytes
            return (changed, placement)
        }
        var low = 0, high = choices.count
        while low < high {
            let middle = (low + high) / 2
            if try attempt(middle, exact: false, &constants).1.plan.bytes <= limit { high = middle } else { low = middle + 1 }
        }
        if high == choices.count {
            let looks = 32
            for index in Set((0..<looks).map { $0 * choices.count / looks }).sorted() where bytes[index] == nil {
                if try attempt(index, exact: false, &constants).1.plan.bytes <= limit { break }
            }
        }
        let within = bytes.filter { $0.value <= limit }.keys.min()
        guard let chosen = within ?? bytes.min(by: { ($0.value, $0.key) < ($1.value, $1.key) })?.key,
            bytes[chosen] ?? .max < plain.plan.bytes
        else { return (graph, plain) }
        return try attempt(chosen, exact: true, &constants)
    }

    private func apply(_ pass: String, to graph: inout Graph, _ transform: (Graph) throws(GraphError) -> Graph) throws(GraphError) {
        let required = ["prune", "differentiate", "narrow moments", "quantise rows"].contains(pass)
        guard required || !skipping.contains(pass) else { return }
        graph = try transform(graph)
        if let problem = graph.verify().first {
            throw GraphError(operation: "after \(pass): \(problem.operation)", problem: problem.problem)
        }
        dump?(pass, graph.description)
    }

    /// The update of a group from its stored gradients, with the clip scale from all of them where there is a limit.
    /// - Parameter owned: the group's floats that are updated here, where other ranks update the others: sums of squares are an input then. nil for all.
    package func compileUpdate(
        group: ParameterGroup, adamw: AdamW, clip: Float?, slices: [ParameterSlice], owned: [Range<Int>]? = nil, layout: ParameterLayout,
        constants: inout ConstantPool
    ) throws(GraphError) -> Program {
        var graph = Graph()
        let step = try graph.append(.input(.step), type: TensorType([KernelConstants.stepScalars]))[0]
        var scale: [ValueID] = []
        if let clip {
            let made = Operation.gradientSquares(group, count: layout.floats(of: group).count)
            let squares =
                try owned == nil ? graph.append(made)[0] : graph.append(.input(.squares), type: made.outputTypes([], leaf: nil)[0])[0]
            let clipped = try graph.append(.clipScale(limit: clip), [squares, step])
            scale = [clipped[0]]
            graph.results.append(("gradient norm", clipped[1]))
        }
        for slice in slices {
            try graph.appendUpdate(slice, adamw, gradient: graph.append(.gradient(slice))[0], step: step, clip: scale)
        }
        let program = try compile(graph, layout: layout, constants: &constants)
        return owned.map { program.restricted(to: layout.bytes(of: $0, in: group)) } ?? program
    }

    /// Sums of squares of some of a group's stored gradients, the result `squares` with a place for each chunk of all.
    /// - Parameter owned: the group's floats, whole chunks.
    package func compileSquares(
        group: ParameterGroup, owned: [Range<Int>], layout: ParameterLayout, constants: inout ConstantPool
    ) throws(GraphError) -> Program {
        var graph = Graph()
        graph.results = [("squares", try graph.append(.gradientSquares(group, count: layout.floats(of: group).count))[0])]
        return try compile(graph, layout: layout, constants: &constants).restricted(to: layout.bytes(of: owned, in: group))
    }
}

extension Graph {
    /// AdamW of a parameter, by its own rate.
    fileprivate mutating func appendUpdate(
        _ slice: ParameterSlice, _ adamw: AdamW, gradient: ValueID, step: ValueID, clip: [ValueID] = []
    ) throws(GraphError) {
        let rate = slice.parameter.rateScale, parameter = try append(.parameter(slice))[0]
        let rates = rate == 1 ? [] : [try define(constant: "rate \(rate)", [rate], shape: [1])]
        try append(.adamw(slice, adamw, clipped: !clip.isEmpty), [parameter, gradient, step] + clip + rates)
    }

    /// Guard, gradients and what becomes of them. The values that training names are the last results.
    fileprivate func addingTraining(_ training: Training) throws(GraphError) -> Graph {
        var graph = self
        let count = training.values.count
        let named = graph.results.suffix(count).map(\.value)
        graph.results.removeLast(count)
        try graph.append(.guardFinite, [named[0]])
        let upstream: ValueID =
            switch training.start {
            case .loss(_, let weight): try graph.append(.uniform(weight), type: graph.type(named[0]))[0]
            case .given: named[1]
            }
        switch training.target {
        case .inputs(let inputs):
            let gradients = try graph.differentiate(named[0], upstream: upstream) {
                if case .input(let input) = $0 { inputs.contains(input) } else { false }
            }
            for case (.input(let input), let gradient) in gradients { graph.results.append(("grad.\(input.rawValue)", gradient)) }
        case .parameters(let group, let update):
            let gradients = try graph.parameterGradients(of: named[0], upstream: upstream, for: group)
            switch update {
            case .immediate(let adamw):
                let step = try graph.append(.input(.step), type: TensorType([KernelConstants.stepScalars]))[0]
                for (slice, gradient) in gradients { try graph.appendUpdate(slice, adamw, gradient: gradient, step: step) }
            case .store: graph.gradients = gradients
            case .expose: graph.results += gradients.map { ("grad.\($0.slice)", $0.value) }
            }
        }
        return graph
    }
}
