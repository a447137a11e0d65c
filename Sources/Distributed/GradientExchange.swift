import CurricleCRanks
import CurricleEngine
import CurricleGraph
import CurricleRuntime
import CurricleTensors
import Dispatch

/// What a rank's gradients and weights go through in an update: each bucket of gradients (``GradientBuckets``) leaves as soon as the backward pass
/// of the rank's last leaf has finished it; the sums of a slice come together at its owner, which adds them up by the tree and updates its weights;
/// and the weights go round, while the next program begins with what does not need them.
package final class GradientExchange {
    private let ranks: Ranks
    private let model: ModelRuntime
    private let plans: [ParameterGroup: GroupPlan]
    /// What comes from other ranks, of one group at a time.
    private let received: Memory
    private var group = ParameterGroup.autoencoder
    private let marks: UnsafeMutablePointer<curricle_marks>
    private let arrivals: UnsafeMutableBufferPointer<curricle_arrival>
    /// Weights that are on their way: whose, and the engine's number of each bucket.
    private var coming: (group: ParameterGroup, numbers: [Int64])?
    /// Of each executable, by its number: when buckets are finished, and when weights are first needed.
    private var known: [Int: [ParameterGroup: BucketStages]] = [:]
    /// Seconds that this rank waited for others so far.
    private(set) var waited = 0.0
    /// Of the group whose norm was last asked for.
    private let squares: Memory

    /// - Parameter tree: of this rank's groups.
    init(_ groups: GradientGroups, _ ranks: Ranks, _ tree: GradientTree, _ model: ModelRuntime) throws {
        (self.ranks, self.model) = (ranks, model)
        let floats = model.groups.map { model.layout.floats(of: $0).count }
        received = try Memory(
            floats: max(1, GradientExchange.receivedFloats(groups, rank: ranks.rank, of: floats)), purpose: "other ranks' gradients")
        squares = try Memory(floats: (floats.max() ?? 0) / KernelConstants.squareChunk + 1, purpose: "squares of gradients")
        var plans: [ParameterGroup: GroupPlan] = [:]
        for group in model.groups { plans[group] = try GroupPlan(group, groups, ranks, tree, model, received) }
        self.plans = plans
        marks = .allocate(capacity: 1)
        marks.initialize(to: curricle_marks())
        arrivals = .allocate(capacity: plans.values.map(\.buckets.all.count).max() ?? 0)
        arrivals.initialize(repeating: curricle_arrival())
    }

    deinit {
        marks.deallocate()
        arrivals.deallocate()
    }

    /// Floats of other ranks' sums that a rank gets at once, of one of several groups of parameters at a time.
    package static func receivedFloats(_ groups: GradientGroups, rank: Int, of floats: [Int]) -> Int {
        let nodes = (0..<groups.ranks).reduce(0) { $1 == rank ? $0 : $0 + groups.nodes(of: $1).count }
        return nodes * (floats.map { GradientBuckets(floats: $0, ranks: groups.ranks).ownedFloats(by: rank) }.max() ?? 0)
    }

    /// Begins an update of a group of parameters.
    func begin(_ group: ParameterGroup) {
        self.group = group
        marks.pointee = curricle_marks()
    }

    /// Runs a program, with what has to come before parts of it and what may leave while it goes on.
    /// - Parameter isLast: whether it is the last to add to this rank's stored gradients.
    func run(_ executable: Executable, _ inputs: RunInputs, isLast: Bool) throws -> RunStatus {
        guard !model.session.checksMemory, let plan = plans[group] else {
            settle()
            return try model.session.run(executable, inputs)
        }
        let stages = stages(executable)
        if isLast, let finished = stages[group]?.finished {
            for (bucket, stage) in finished.enumerated() { plan.parts[bucket].ready = UInt32(stage) }
            release(plan)
        }
        if let coming, let needed = stages[coming.group]?.needed {
            let order = zip(coming.numbers, needed).sorted { $0.1 < $1.1 }
            for (place, arrival) in order.enumerated() { arrivals[place] = curricle_arrival(number: arrival.0, needed: UInt32(arrival.1)) }
            marks.pointee.arrivals = UnsafePointer(arrivals.baseAddress)
            marks.pointee.expected = UInt32(order.count)
        }
        let status = try model.session.run(executable, inputs, reached: StageCallback(curricle_marks_reached, context: marks))
        waited += Double(marks.pointee.waited) * 1e-9
        marks.pointee.waited = 0
        (marks.pointee.expected, marks.pointee.arrived) = (0, 0)
        settle()  // what the program did not need
        return status
    }

    /// Lets go what has not left yet: this rank's sums are there.
    func finish() {
        guard let plan = plans[group] else { return }
        release(plan)
        curricle_marks_reached(marks, .max)
    }

    /// Lets buckets leave once they are ready.
    private func release(_ plan: GroupPlan) {
        marks.pointee.buckets = plan.parts.baseAddress
        marks.pointee.count = UInt32(plan.parts.count)
    }

    /// Adds up the slices that this rank owns, of the sums of all ranks, where its own gradients were.
    func total() {
        guard let plan = plans[group] else { return }
        for (bucket, part) in plan.parts.enumerated() {
            wait(part.number)
            let own = plan.folds[bucket]
            guard let first = own.first, !first.values.isEmpty else { continue }
            let sum = GradientTree.fold(own), place = plan.own(of: bucket, in: plan.gradients)
            if sum.baseAddress != place.baseAddress { _ = place.update(fromContentsOf: sum) }
        }
    }

    /// Lets what is under way come, to no use.
    func drop() { for part in plans[group]?.parts ?? UnsafeMutableBufferPointer(start: nil, count: 0) { wait(part.number) } }

    /// The floats of a group that this rank owns.
    func owned(_ group: ParameterGroup) -> [Range<Int>] { plans[group]?.owned ?? [] }

    /// The sums of squares of all gradients of a group, each made by its owner: valid until the next.
    func squares(_ group: ParameterGroup) throws -> UnsafeRawBufferPointer {
        guard let plan = plans[group] else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let executable = try model.executable(.squares(group, owned: plan.owned))
        _ = try model.session.run(executable)
        let all = ranks.gather(try model.result("squares", of: executable))
        var squares = all[0]
        for rank in 1..<ranks.size {
            for range in plan.buckets.owned(by: rank) {
                let chunk = KernelConstants.squareChunk
                for place in (range.lowerBound / chunk)..<((range.upperBound + chunk - 1) / chunk) { squares[place] = all[rank][place] }
            }
        }
        self.squares.fill(squares)
        return self.squares.contents(numbers: 0..<squares.count)
    }

    /// Begins to hand round the weights that this rank has updated, and to take the others'.
    func shareWeights() {
        guard let plan = plans[group] else { return }
        settle()
        // The forward pass begins with the first parameters.
        coming = (group, plan.weights.indices.reversed().map { ranks.start(plan.weights[$0]) }.reversed())
    }

    /// Waits for weights that are on their way.
    func settle() {
        for number in coming?.numbers ?? [] { wait(number) }
        coming = nil
    }

    private func wait(_ number: Int64) {
        let started = DispatchTime.now().uptimeNanoseconds
        ranks.wait(number)
        waited += Double(DispatchTime.now().uptimeNanoseconds - started) * 1e-9
    }

    private func stages(_ executable: Executable) -> [ParameterGroup: BucketStages] {
        if let known = known[executable.number] { return known }
        let order = executable.order
        var made: [ParameterGroup: BucketStages] = [:]
        for (group, plan) in plans { made[group] = BucketStages(plan.buckets, of: group, model.layout, in: order) }
        known[executable.number] = made
        return made
    }
}

/// The exchanges of one group's buckets, made once: their memory does not move.
private final class GroupPlan {
    let buckets: GradientBuckets
    let owned: [Range<Int>]
    /// The group's stored gradients.
    let gradients: UnsafeMutableBufferPointer<Float>
    /// By bucket.
    let parts: UnsafeMutableBufferPointer<curricle_bucket>
    /// Of each bucket this rank's slice of all ranks' sums, from left to right.
    private(set) var folds: [[(node: GradientGroups.Node, values: UnsafeMutableBufferPointer<Float>)]] = []
    /// By bucket.
    private(set) var weights: [UnsafeMutablePointer<curricle_exchange>] = []
    private let rank: Int
    private var transfers: [UnsafeMutableBufferPointer<curricle_transfer>] = []
    private var additions: [UnsafeMutableBufferPointer<curricle_addition>] = []

    /// - Parameter room: for what other ranks send.
    init(
        _ group: ParameterGroup, _ groups: GradientGroups, _ ranks: Ranks, _ tree: GradientTree, _ model: ModelRuntime, _ room: Memory
    ) throws {
        let floats = model.layout.floats(of: group)
        guard let stored = model.session.gradients else { preconditionFailure("ranks exchange stored gradients") }
        gradients = UnsafeMutableBufferPointer(rebasing: stored.floats[floats])
        let parameters = UnsafeMutableBufferPointer(rebasing: model.session.parameters.floats[floats])
        rank = ranks.rank
        buckets = GradientBuckets(group, model.layout, ranks: ranks.size)
        owned = buckets.owned(by: ranks.rank)
        parts = .allocate(capacity: buckets.all.count)
        parts.initialize(repeating: curricle_bucket())
        var place = 0
        for bucket in buckets.all.indices {
            /// A rank's slice of the bucket, of floats that begin at the group's first or at `start`.
            func part(_ rank: Int, _ values: UnsafeMutableBufferPointer<Float>, from start: Int = 0) -> UnsafeMutableBufferPointer<Float> {
                let slice = buckets.slice(of: rank, in: bucket)
                return UnsafeMutableBufferPointer(rebasing: values[(slice.lowerBound - start)..<(slice.upperBound - start)])
            }
            let first = buckets.all[bucket].lowerBound
            let own = tree.joined(buckets.all[bucket], of: gradients), size = buckets.slice(of: ranks.rank, in: bucket).count
            var sends: [Ranks.Transfer] = [], receives: [Ranks.Transfer] = []
            var fold: [(node: GradientGroups.Node, values: UnsafeMutableBufferPointer<Float>)] = []
            for rank in 0..<ranks.size {
                if rank == ranks.rank {
                    fold += own.sums.map { ($0.node, part(rank, $0.values, from: first)) }
                    continue
                }
                sends += own.sums.map { Ranks.Transfer(peer: rank, part(rank, $0.values, from: first)) }
                for node in groups.nodes(of: rank) {
                    let values = UnsafeMutableBufferPointer(rebasing: room.floats[place..<(place + size)])
                    receives.append(Ranks.Transfer(peer: rank, values))
                    fold.append((node, values))
                    place += size
                }
            }
            folds.append(fold)
            parts[bucket].exchange = exchange(sends, receives)
            let sums: UnsafeMutableBufferPointer<curricle_addition> = .allocate(capacity: own.additions.count)
            _ = sums.initialize(
                from: own.additions.map {
                    curricle_addition(sum: $0.sum.baseAddress, addend: UnsafePointer($0.addend.baseAddress), count: UInt64($0.sum.count))
                })
            additions.append(sums)
            (parts[bucket].additions, parts[bucket].added) = (UnsafePointer(sums.baseAddress), Int32(sums.count))

            let others = (0..<ranks.size).filter { $0 != ranks.rank }
            let weights = UnsafeMutablePointer<curricle_exchange>.allocate(capacity: 1)
            weights.initialize(
                to: exchange(
                    others.map { Ranks.Transfer(peer: $0, part(ranks.rank, parameters)) },
                    others.map { Ranks.Transfer(peer: $0, part($0, parameters)) }))
            self.weights.append(weights)
        }
    }

    deinit {
        for list in transfers { list.deallocate() }
        for list in additions { list.deallocate() }
        for exchange in weights { exchange.deallocate() }
        parts.deallocate()
    }

    /// This rank's slice of a bucket, of the group's floats.
    func own(of bucket: Int, in floats: UnsafeMutableBufferPointer<Float>) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: floats[buckets.slice(of: rank, in: bucket)])
    }

    private func exchange(_ sends: [Ranks.Transfer], _ receives: [Ranks.Transfer]) -> curricle_exchange {
        func list(_ all: [Ranks.Transfer]) -> UnsafeMutableBufferPointer<curricle_transfer> {
            let raw = all.filter { !$0.bytes.isEmpty }.map(\.raw)
            let list: UnsafeMutableBufferPointer<curricle_transfer> = .allocate(capacity: raw.count)
            _ = list.initialize(from: raw)
            transfers.append(list)
            return list
        }
        let sends = list(sends), receives = list(receives)
        return curricle_exchange(
            sends: UnsafePointer(sends.baseAddress), receives: UnsafePointer(receives.baseAddress), sent: Int32(sends.count),
            received: Int32(receives.count))
    }
}
