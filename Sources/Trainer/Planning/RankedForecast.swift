import CurricleDistributed
import CurricleCompiler
import CurricleGraph
import CurricleProgram
import CurricleTensors

/// How long an update takes that ranks share, one on each machine, by the alpha–beta model: computed from the programs, which say when each bucket
/// of gradients is finished and when each of weights is needed, and from how long a batch, a message and a byte take.
package struct RankedForecast: Sendable {
    package let ranks: Int
    /// Of an update.
    package let seconds: Double
    /// Of those, what a rank waits for others.
    package let exposedSeconds: Double
    /// What a rank sends in an update at most, and receives at most.
    package let sentBytes: Double
    /// The time that the update's batches take on as many processes that know nothing of each other, over this.
    package let efficiency: Double

    /// Bytes that AdamW touches of each float: three read and written, one read.
    private static let updateBytes = 28.0

    /// - Parameters:
    ///   - plan: of the rank's programs, with its threads.
    ///   - batchSeconds: of one process's iteration on one batch.
    ///   - streamBytes: bytes a second between a rank's threads and its memory.
    package init(
        _ plan: TrainingPlan, _ settings: PretrainSettings, ranks: Int, threads: Int, network: Network, batchSeconds: Double,
        streamBytes: Double
    ) {
        self.ranks = ranks
        guard ranks > 1 else {
            (seconds, exposedSeconds, sentBytes, efficiency) = (Double(settings.accumulation) * batchSeconds, 0, 0, 1)
            return
        }
        let groups = GradientGroups(count: max(settings.gradientGroups, ranks), ranks: ranks)
        let batches =
            Double((0..<ranks).map { groups.leaves(ofRank: $0, among: settings.leaves).count }.max() ?? 1)
            / Double(settings.leavesPerBatch)
        let orders = plan.programs.map { StageOrder(Stages($0.program.instructions)) }
        let phases = [ParameterGroup.autoencoder, .masker].compactMap { Phase($0, plan, orders, groups) }
        let alone = phases.reduce(0) { $0 + RankedForecast.updateBytes * Double($1.buckets.floats) / streamBytes }
        let all = phases.reduce(0) { $0 + $1.flops }

        var time = 0.0, waited = 0.0, sent = 0.0, coming: (buckets: [Double], phase: Phase)?
        for phase in phases {
            let work = max(0, batchSeconds - alone) * phase.flops / all, started = time, last = started + (batches - 1) * work
            // What a rank's processors have to do for messages goes off the batches.
            let exchanged = (phase.nodesSent + 1) * phase.bytes.reduce(0, +)  // sums of gradients, and weights
            time += batches * work + exchanged * network.processorSecondsPerByte / Double(threads)
            if let coming {  // weights of the phase before, which this one's first batch needs bit by bit
                let stalls = zip(coming.buckets, phase.needed(coming.phase)).sorted { $0.1 < $1.1 }.reduce(0.0) { stalls, bucket in
                    max(stalls, bucket.0 - (started + bucket.1 * work))
                }
                (time, waited) = (time + stalls, waited + stalls)
            }
            var link = coming?.buckets.max() ?? 0
            for (bucket, finished) in phase.finished.enumerated() {
                link = max(link, last + (time - last) * finished) + phase.seconds(bucket, network, nodes: true)
            }
            waited += max(0, link - time)
            time = max(time, link) + (RankedForecast.updateBytes + 8 * phase.nodes) * phase.ownFloats / streamBytes
            var arrivals: [Double] = [], at = time
            for bucket in phase.buckets.all.indices.reversed() {
                at += phase.seconds(bucket, network, nodes: false)
                arrivals.append(at)
            }
            sent += exchanged
            coming = (arrivals.reversed(), phase)
        }
        let end = coming?.buckets.max() ?? 0
        waited += max(0, end - time)
        time = max(time, end)
        (seconds, exposedSeconds, sentBytes) = (time, waited, sent)
        efficiency = (Double(settings.accumulation) / Double(ranks) * max(0, batchSeconds - alone) + alone) / time
    }

    /// One half's programs and exchange.
    private struct Phase {
        let buckets: GradientBuckets
        let flops: Double
        /// Of the last program that adds to the gradients: the share of it that is done when each bucket is finished.
        let finished: [Double]
        /// Of one exchange of each bucket, what a rank sends or receives at most.
        let bytes: [Double]
        /// Sums that come together at an owner.
        let nodes: Double
        let ownFloats: Double
        private let group: ParameterGroup
        private let first: StageOrder
        private let layout: ParameterLayout
        private let messages: Double
        /// Sums of gradients that a rank sends of each float at most.
        let nodesSent: Double

        /// - Parameter orders: of the plan's programs.
        init?(_ group: ParameterGroup, _ plan: TrainingPlan, _ orders: [StageOrder], _ groups: GradientGroups) {
            let layout = plan.layout, ranks = groups.ranks, cut = GradientBuckets(group, layout, ranks: ranks)
            let mine = orders.compactMap { order in
                BucketStages(cut, of: group, layout, in: order).finished.map { (order: order, finished: $0) }
            }
            guard !cut.all.isEmpty, let last = mine.last, let first = mine.first else { return nil }
            (self.group, self.layout, self.first, buckets) = (group, layout, first.order, cut)
            flops = group == .autoencoder ? plan.flopsA : plan.flopsB
            let done = last.order.sharesDone
            finished = last.finished.map { done[$0] }
            let sums = (0..<ranks).map { Double(groups.nodes(of: $0).count) }
            nodes = sums.reduce(0, +)
            nodesSent = sums.max() ?? 1
            messages = Double(ranks - 1)
            bytes = cut.all.indices.map { bucket in
                let slices = (0..<ranks).map { Double(cut.slice(of: $0, in: bucket).count) }, whole = slices.reduce(0, +)
                return 4 * (slices.map { max(whole - $0, $0 * Double(ranks - 1)) }.max() ?? 0)
            }
            ownFloats = Double((0..<ranks).map { cut.ownedFloats(by: $0) }.max() ?? 0)
        }

        /// When this half's first batch needs another's weights, as a share of it.
        func needed(_ other: Phase) -> [Double] {
            let done = first.sharesDone
            return BucketStages(other.buckets, of: other.group, layout, in: first).needed.map { done[$0] }
        }

        /// Of one bucket: of gradients, each rank's sums; of weights, each once.
        func seconds(_ bucket: Int, _ network: Network, nodes: Bool) -> Double {
            let times = nodes ? nodesSent : 1
            // Messages to several ranks are under way at once.
            return times * bytes[bucket] / network.bytesPerSecond + network.latency * (1 + (times * messages - 1) / 4)
        }
    }
}
