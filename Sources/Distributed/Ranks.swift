import CurricleCRanks
import CurricleEngine
import CurricleRuntime
import CurricleSettings
import Foundation

/// The processes of a job that a launcher of MPI started, as one of them sees them. There is one such value in a process.
package struct Ranks: Sendable {
    package let rank: Int
    package let size: Int
    /// Ranks on this one's node.
    package let localSize: Int

    /// Numbers that go to a rank, or come from one.
    package struct Transfer {
        let peer: Int
        let bytes: UnsafeMutableRawBufferPointer
        package init(peer: Int, _ bytes: UnsafeMutableRawBufferPointer) {
            self.peer = peer
            self.bytes = bytes
        }
        init(peer: Int, _ values: UnsafeMutableBufferPointer<Float>) { self.init(peer: peer, UnsafeMutableRawBufferPointer(values)) }
        var raw: curricle_transfer {
            curricle_transfer(peer: Int32(peer), bytes: UInt64(bytes.count), data: bytes.baseAddress)
        }
    }

    /// Which implementation's launcher started this process, and how many; nil where none did, or it started one alone.
    package struct Launch: Equatable {
        let engine: String
        let size: Int

        init?(environment: [String: String]) throws(LearningError) {
            func number(_ names: String...) -> Int? { names.lazy.compactMap { environment[$0].flatMap { Int($0) } }.first }
            let isOpen = environment["OMPI_COMM_WORLD_SIZE"] != nil || environment["PMIX_RANK"] != nil
            let size = number("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS")
            guard isOpen || environment["PMI_RANK"] != nil || environment["PMI_FD"] != nil else {
                // srun without an MPI plugin starts processes that know nothing of each other.
                if let size, size > 1, environment["SLURM_STEP_ID"] != nil, environment["SLURM_PROCID"] != nil {
                    throw .configuration(
                        "srun started \(size) processes that know nothing of one another: give srun --mpi=pmix or --mpi=pmi2, or use mpirun"
                    )
                }
                return nil
            }
            guard size ?? 2 > 1 else { return nil }
            engine = environment["CURRICLE_ENGINE"] ?? (isOpen ? "openmpi" : "mpich")
            self.size = size ?? 0
        }
    }

    /// Whether a launcher started this process with others.
    package static func wasLaunched(environment: [String: String] = ProcessInfo.processInfo.environment) throws(LearningError) -> Bool {
        try Launch(environment: environment) != nil
    }

    /// Opens the engine where a launcher started several processes; nil where none did.
    /// - Parameters:
    ///   - timeout: seconds after which a neighbour that does not answer ends the job.
    /// - Throws: `LearningError.configuration` where there is no engine, or the launcher is another implementation's.
    package static func joined(
        timeout: Double, environment: [String: String] = ProcessInfo.processInfo.environment, executable: String
    ) throws(LearningError) -> Ranks? {
        guard let launch = try Launch(environment: environment) else { return nil }
        let name = "libcurricle-\(launch.engine).so"
        let places = [(executable as NSString).deletingLastPathComponent] + engineFolders
        guard let path = places.map({ "\($0)/\(name)" }).first(where: { FileManager.default.fileExists(atPath: $0) }) else {
            throw .configuration(
                "started by a launcher of \(launch.engine), but \(name) is neither beside the command nor in \(engineFolders.joined(separator: " or ")): "
                    + "tools/build_engines.sh builds it, or install curricle-\(launch.engine)")
        }
        if let problem = curricle_ranks_open(path, timeout) {
            throw .configuration("\(path) does not start: \(String(cString: problem))")
        }
        let ranks = Ranks(rank: Int(Ranks.engine.rank()), size: Int(Ranks.engine.size()), localSize: Int(Ranks.engine.local_size()))
        guard launch.size == 0 || ranks.size == launch.size else {
            throw .configuration(
                "the launcher started \(launch.size) processes, and \(launch.engine) sees rank \(ranks.rank) of \(ranks.size): "
                    + "mpirun is another implementation's than the engine; use mpirun.\(launch.engine), or set CURRICLE_ENGINE")
        }
        return ranks.size == 1 ? nil : ranks
    }

    private static let engineFolders: [String] = {
        #if arch(arm64)
        return ["/usr/lib/aarch64-linux-gnu/curricle", "/usr/lib/curricle", "/usr/local/lib/curricle"]
        #else
        return ["/usr/lib/x86_64-linux-gnu/curricle", "/usr/lib/curricle", "/usr/local/lib/curricle"]
        #endif
    }()

    private static var engine: curricle_engine_table {
        guard let open = curricle_ranks() else { preconditionFailure("ranks are there once the engine is open") }
        return open.pointee
    }

    /// Whether this rank writes, logs and speaks.
    package var leads: Bool { rank == 0 }

    package func host(of rank: Int) -> String { Ranks.engine.host(Int32(rank)).map { String(cString: $0) } ?? "?" }

    /// What each rank gives, in their order; of equal sizes.
    package func gather<Value: BitwiseCopyable>(_ values: [Value]) -> [[Value]] {
        guard !values.isEmpty else { return Array(repeating: [], count: size) }
        var all = [Value](repeating: values[0], count: values.count * size)
        values.withUnsafeBytes { mine in
            all.withUnsafeMutableBytes { Ranks.engine.gather(mine.baseAddress, UInt64(mine.count), $0.baseAddress) }
        }
        return (0..<size).map { Array(all[($0 * values.count)..<(($0 + 1) * values.count)]) }
    }

    /// A value of each rank, in their order.
    package func gather<Value: BitwiseCopyable>(_ value: Value) -> [Value] { gather([value]).map { $0[0] } }

    /// Bytes of any length from each rank.
    package func gather(bytes: [UInt8]) -> [[UInt8]] {
        let lengths = gather(bytes.count), most = lengths.max() ?? 0
        let padded = bytes + [UInt8](repeating: 0, count: most - bytes.count)
        return zip(gather(padded), lengths).map { Array($0.prefix($1)) }
    }

    /// Rank 0's bytes.
    package func broadcast(bytes: [UInt8]) -> [UInt8] {
        var count = UInt64(bytes.count)
        withUnsafeMutableBytes(of: &count) { Ranks.engine.broadcast($0.baseAddress, UInt64($0.count)) }
        var data = leads ? bytes : [UInt8](repeating: 0, count: Int(count))
        data.withUnsafeMutableBytes { if !$0.isEmpty { Ranks.engine.broadcast($0.baseAddress, count) } }
        return data
    }

    /// Rank 0's value.
    package func broadcast<Value: Codable>(json value: Value) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(broadcast(bytes: [UInt8](try JSONEncoder().encode(value)))))
    }

    /// Makes memory what rank 0's is.
    package func broadcast(_ memory: Memory) {
        let bytes = memory.bytes(0..<memory.bytes)
        Ranks.engine.broadcast(bytes.baseAddress, UInt64(bytes.count))
    }

    /// Lines of text from all ranks, in their order.
    package func gather(lines: [String]) -> [String] {
        gather(bytes: Array(lines.joined(separator: "\0").utf8)).flatMap {
            $0.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// Sends and receives, until all is done.
    package func exchange(sends: [Transfer], receives: [Transfer]) {
        sends.map(\.raw).withUnsafeBufferPointer { sends in
            receives.map(\.raw).withUnsafeBufferPointer { receives in
                var both = curricle_exchange(
                    sends: sends.baseAddress, receives: receives.baseAddress, sent: Int32(sends.count), received: Int32(receives.count))
                wait(start(&both))
            }
        }
    }

    /// Begins an exchange, which has to stay until it is waited for.
    package func start(_ exchange: UnsafePointer<curricle_exchange>) -> Int64 { Ranks.engine.start(exchange) }
    package func wait(_ number: Int64) { Ranks.engine.wait(number) }

    /// Brings numbers of all ranks to the first.
    /// - Parameters:
    ///   - numbers: [counts[rank]] of this rank; on the first with room for all, which then stand there one after another.
    ///   - counts: of each rank, the same on all.
    package func collect(_ numbers: UnsafeMutableBufferPointer<Float>, counts: [Int]) {
        guard leads else {
            let own = UnsafeMutableBufferPointer(rebasing: numbers[..<counts[rank]])
            return exchange(sends: own.isEmpty ? [] : [Transfer(peer: 0, own)], receives: [])
        }
        var place = counts[0], receives: [Transfer] = []
        for rank in 1..<size where counts[rank] > 0 {
            receives.append(Transfer(peer: rank, UnsafeMutableBufferPointer(rebasing: numbers[place..<(place + counts[rank])])))
            place += counts[rank]
        }
        exchange(sends: [], receives: receives)
    }

    /// Whether any rank says so.
    package func any(_ flag: Bool) -> Bool { gather(UInt8(flag ? 1 : 0)).contains(1) }

    /// Where the run stands, for what is said if the job has to end.
    package func note(_ place: String) { place.withCString { Ranks.engine.note($0) } }

    /// Ends the whole job.
    package func abort(code: Int32) -> Never {
        Ranks.engine.abort(code)
        exit(code)
    }

    /// Waits for all ranks, and leaves.
    package func end() { Ranks.engine.end() }

    /// Checks that a fact is the same on all ranks.
    /// - Parameter fact: what a person reads: "49,998 images".
    /// - Throws: `LearningError.configuration` that names the first rank that sees something else.
    package func agree(_ what: String, _ fact: String) throws(LearningError) {
        let all = gather(bytes: Array(fact.utf8)).map { String(decoding: $0, as: UTF8.self) }
        guard let other = all.indices.first(where: { all[$0] != all[0] }) else { return }
        throw .configuration("rank \(other) (\(host(of: other))) \(what) \(all[other]), rank 0 \(all[0])")
    }
}

/// Where no launcher started several processes, this one is the first of one.
extension Ranks? {
    package var leads: Bool { self?.leads ?? true }
    package var rank: Int { self?.rank ?? 0 }
    package var size: Int { self?.size ?? 1 }
}
