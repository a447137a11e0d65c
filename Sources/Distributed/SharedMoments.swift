import CurricleCompiler
import CurricleEngine
import CurricleGraph
import CurricleRuntime
import CurricleTensors

/// AdamW's moments where each rank keeps those of the weights that it updates. They come together at the first rank when a state is kept, tensor
/// after tensor, so that it never holds more than one of the others'; and go out again when a run is gone on with.
package struct SharedMoments {
    private let ranks: Ranks
    private let layout: ParameterLayout
    private let bytesEach: Int
    /// Of each rank, in ascending order, in floats from the first of the parameters on.
    private let owned: [[Range<Int>]]

    package init(_ ranks: Ranks, _ model: ModelRuntime) {
        self.ranks = ranks
        layout = model.layout
        bytesEach = model.session.moments.bytes
        owned = (0..<ranks.size).map { rank in
            model.groups.flatMap { group in
                let first = model.layout.floats(of: group).lowerBound
                return GradientBuckets(group, model.layout, ranks: ranks.size).owned(by: rank).map {
                    (first + $0.lowerBound)..<(first + $0.upperBound)
                }
            }.sorted { $0.lowerBound < $1.lowerBound }
        }
    }

    /// Brings a parameter's moments to the first rank. All ranks call it, for the same parameters in the same order.
    package func collect(_ parameter: Parameter, of memory: Memory) {
        let floats = floats(of: parameter)
        if ranks.leads {
            ranks.exchange(sends: [], receives: (1..<ranks.size).flatMap { transfers($0, floats, of: memory, peer: $0) })
        } else {
            ranks.exchange(sends: transfers(ranks.rank, floats, of: memory, peer: 0), receives: [])
        }
    }

    /// Forgets what others keep of a parameter's moments, once they are written.
    package func release(_ parameter: Parameter, of memory: Memory) { release(floats(of: parameter), of: memory) }

    /// Gives each rank what it keeps, from the first, which has all. All ranks call it.
    package func handOut(_ memory: Memory) {
        let all = 0..<(layout.bytes / ElementType.float32.bytes)
        if ranks.leads {
            ranks.exchange(sends: (1..<ranks.size).flatMap { transfers($0, all, of: memory, peer: $0) }, receives: [])
            release(all, of: memory)
        } else {
            ranks.exchange(sends: [], receives: transfers(ranks.rank, all, of: memory, peer: 0))
        }
    }

    private func floats(of parameter: Parameter) -> Range<Int> {
        guard let offset = layout.offset(of: parameter.name) else { preconditionFailure("\(parameter.name) is not of this model") }
        let first = offset / ElementType.float32.bytes
        return first..<(first + parameter.type.storedCount)
    }

    /// What a rank keeps of some moments, as it goes to a peer or comes from it.
    private func transfers(_ rank: Int, _ floats: Range<Int>, of memory: Memory, peer: Int) -> [Ranks.Transfer] {
        parts(rank, floats).map { Ranks.Transfer(peer: peer, memory.bytes($0)) }
    }

    private func parts(_ rank: Int, _ floats: Range<Int>) -> [Range<Int>] {
        owned[rank].map { $0.clamped(to: floats) }.filter { !$0.isEmpty }.map { ($0.lowerBound * bytesEach)..<($0.upperBound * bytesEach) }
    }

    private func release(_ floats: Range<Int>, of memory: Memory) {
        for rank in 1..<ranks.size { for part in parts(rank, floats) { memory.release(bytes: part) } }
    }
}
