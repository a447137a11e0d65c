import CurricleDistributed
import CurricleDatasets
import CurricleEngine
import CurricleFeatures
import Foundation
import CurricleRuntime
import CurricleSettings
import CurricleTerminal
import CurricleTrainer

/// A command that a launcher of MPI may start several times.
enum RankedCommand {
    /// Runs alone, or as one rank of a job; what goes wrong on one ends them all.
    static func run(timeout: Int, _ body: (Ranks?) throws -> Int32) throws -> Int32 {
        guard let ranks = try Ranks.joined(timeout: Double(timeout), executable: CommandLine.arguments.first ?? "curricle") else {
            return try body(nil)
        }
        do {
            let code = try body(ranks)
            ranks.end()
            return code
        } catch {
            // What is wrong on all is said by the first.
            if !ranks.leads { sleep(1) }
            let text = (error as? any NamesSettings)?.message.withOptions ?? "\(error)"
            complain(ranks.leads ? text : "rank \(ranks.rank) (\(ranks.host(of: ranks.rank))): \(text)")
            usleep(200_000)  // a launcher that ends the job at once may drop the line
            ranks.abort(code: 2)
        }
    }

    static func timeout(section: String = Option.defaultSection) -> Option {
        .value(
            "peer-timeout", "SECONDS", .whole(5...86_400), "under mpirun: end the job where a rank has not answered for so long",
            fallback: "60", section: section)
    }

    /// Features in the source's order, the batches dealt to ranks; `body` is called on the first alone.
    /// - Parameter first: the image to begin with, as the first rank has it.
    static func extract(
        _ extraction: ProgramExtraction, _ source: any ImageSource, from first: Int = 0, _ ranks: Ranks?,
        _ body: (Range<Int>, UnsafeBufferPointer<Float>) throws -> Void
    ) throws {
        guard let ranks else { return try extraction.run(source, from: first, body) }
        let first = try ranks.broadcast(json: first), images = extraction.program.encoder.shape.images, width = extraction.width
        var room = [Float](repeating: 0, count: images * width * (ranks.leads ? ranks.size : 1))
        for start in stride(from: first, to: source.count, by: images * ranks.size) {
            let ranges = (0..<ranks.size).map { min(start + $0 * images, source.count)..<min(start + ($0 + 1) * images, source.count) }
            let own = ranges[ranks.rank], end = ranges[ranks.size - 1].upperBound
            try room.withUnsafeMutableBufferPointer { room in
                try extraction.run(source, from: own.lowerBound, to: own.upperBound) { _, features in
                    _ = room.update(fromContentsOf: features)
                }
                ranks.collect(room, counts: ranges.map { $0.count * width })
                if ranks.leads { try body(start..<end, UnsafeBufferPointer(rebasing: room[..<((end - start) * width)])) }
            }
        }
    }

    /// Refuses what would run as many times as a launcher starts it.
    static func refuse(_ command: String) throws {
        if try Ranks.wasLaunched() {
            throw LearningError.configuration(
                "\(command) runs in one process: start it without mpirun (pretrain, finetune, extract, and bench step and exchange run on several)"
            )
        }
    }

    /// The content of a run's configuration, which the first rank reads for all, as its machine alone need have the run's folder; nil where there
    /// is none.
    static func recorded(_ path: String, _ ranks: Ranks?) throws -> Data? {
        var content: Data?
        if ranks.leads, FileManager.default.fileExists(atPath: path) { content = try Arguments.configuration(at: path) }
        return try ranks.map { try $0.broadcast(json: content) } ?? content
    }

    /// The smallest power of two that is no less than the ranks.
    static func leastGroups(for ranks: Int) -> Int {
        var groups = 1
        while groups < ranks { groups *= 2 }
        return groups
    }

    /// What follows from the number of ranks where it is not given: groups of gradients, and as many batches an update.
    /// - Returns: what was not given, for a person to read; nil where all was.
    @discardableResult
    static func share(_ arguments: inout Arguments, ranks: Int, because reason: String) throws -> String? {
        var groups = leastGroups(for: ranks)
        let isGiven = arguments.isGiven("gradient-groups"), hasBatches = arguments.isGiven("accum-iter")
        if !isGiven { arguments.assume("gradient-groups", "\(groups)", because: reason) }
        groups = try arguments.int("gradient-groups")
        if !hasBatches { arguments.assume("accum-iter", "\(groups)", because: reason) }
        guard ranks <= groups else {
            throw LearningError.configuration(
                "\(ranks) ranks, but gradients are added in \(groups) groups: give --gradient-groups \(ranks) or more")
        }
        return isGiven && hasBatches ? nil : "--gradient-groups \(groups) --accum-iter \(try arguments.int("accum-iter"))"
    }

    /// The same of a job's ranks, said once.
    static func share(_ arguments: inout Arguments, _ ranks: Ranks) throws {
        if let assumed = try share(&arguments, ranks: ranks.size, because: "mpirun"), ranks.leads {
            DataOptions.say(["\(ranks.size) ranks: \(assumed); one process gives the same bits with these"])
        }
    }

    /// This rank's share of its node's processors where it may use all of them; else those that it may.
    static func processors(of ranks: Ranks) -> Int {
        let there = sysconf(Int32(_SC_NPROCESSORS_ONLN)), allowed = Machine.processors
        if ranks.leads, allowed * ranks.localSize < there {
            DataOptions.say([
                "each rank is bound to \(allowed) of \(there) processors: add --bind-to none, or --map-by slot:PE=\(there / ranks.localSize), to use all"
            ])
        }
        return allowed < there ? allowed : max(1, allowed / ranks.localSize)
    }
}
