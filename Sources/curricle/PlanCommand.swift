import CurricleEngine
import CurricleFeatures
import Foundation
import CurricleModels
import CurricleReports
import CurricleRuntime
import CurricleSettings
import CurricleStorage
import CurricleTerminal
import CurricleTrainer
import CurricleVision
import CurricleWeights

/// Says what a training run will take before it begins.
enum PlanCommand {
    /// What of a run's settings decides what it takes.
    private static let run = PretrainSettings.declared.named(
        ModelConfiguration.declared.map(\.name) + [
            "batch-size", "epochs", "accum-iter", "gradient-groups", "mask-ratio", "masking", "masker", "masker-every", "mask-noise",
            "uniformity",
            "norm-pix-loss",
            "clip-grad", "precision", "moments", "memory-limit", "micro-batch"
        ])

    static let command = Command(
        name: "plan", summary: "memory, FLOPs and time of a pretraining run, before it begins",
        options: run.options(PretrainSettings()) + [
            .value(
                "knn-images", "N", .whole(0...(2 * FeatureWatch.most)),
                "labelled images, training and test, that `pretrain --knn-every` compares", fallback: "0"),
            .value("images", "N", .whole(1...Int.max), "images of the dataset, for hours an epoch and a run"),
            SharedOptions.images("data", "the dataset, whose training images are counted instead"),
            .value(
                "ranks", "N,N…", .wholes(1...4096, counts: 1...16),
                "processes of `mpirun`, one on each machine: time an update, and memory of each; several numbers give a table"),
            .value(
                "network", "RATE|FILE", .notation("a rate, as 10G, or the file that `curricle bench exchange --json` wrote"),
                "with --ranks: bits a second between machines, or what was measured", fallback: "10G"),
            .value("picture", "FILE.svg", .path(.file), "draw the memory over the steps of both programs"),
            .value("dump", "FOLDER", .path(.folder), "write the graph after each pass and the final programs as text"),
            .flag("skip-timing", "leave out the seconds, which take a short measurement"),
            SharedOptions.json,
            SharedOptions.threads()
        ],
        example: "curricle plan --model base-p16 --batch-size 8 --memory-limit 2G --picture plan.svg")

    static func run(_ a: Arguments) throws -> Int32 {
        if let ranks = try a.intsIfGiven("ranks") { return try RankedPlan.run(a, ranks) }
        guard !a.isGiven("network") else { throw LearningError.configuration("--network goes with --ranks") }
        let threads = try SharedOptions.threads(a), isa = try ISA.named(nil)
        let images = try images(a)
        let settings: PretrainSettings = try images.map { try a.settings(images: $0) } ?? a.settings()
        let plan = try TrainingPlan(
            settings, threads: threads, isa: isa, memoryLimit: settings.memoryLimit, data: DataMemory(judgedImages: a.int("knn-images")))
        let available = settings.memoryLimit ?? Machine.memoryBytes
        let largest = try TrainingPlan.largestBatch(settings, threads: threads, isa: isa, within: available)
        let efficiency = TeamEfficiency(plan.programs.map { ($0.program.instructions, $0.runs) }, isa: isa)
        let seconds = try a.flag("skip-timing") ? nil : plan.predictedSeconds(settings, threads: threads, isa: isa)
        if let path = try a.stringIfGiven("picture") { try draw(plan, path) }
        if let folder = try a.stringIfGiven("dump") { try plan.dump(settings, to: folder) }
        if try a.flag("json") {
            var row: [(key: String, value: LogValue)] = [
                ("preset", .string(try a.string("model"))), ("batch", .integer(settings.batchSize)),
                ("precision", .string(settings.precision.rawValue)),
                ("threads", .integer(threads)),
                ("isa", .string("\(isa)")), ("parameter_bytes", .integer(plan.parameterBytes)),
                ("moment_bytes", .integer(plan.momentBytes)),
                ("gradient_bytes", .integer(plan.gradientBytes)), ("persistent_bytes", .integer(plan.persistentBytes)),
                ("arena_bytes", .integer(plan.arenaBytes)),
                ("lower_bound_bytes", .integer(plan.lowerBoundBytes)), ("naive_bytes", .integer(plan.naiveBytes)),
                ("scratch_bytes", .integer(plan.workspaceBytes)),
                ("loader_bytes", .integer(plan.loaderBytes)), ("process_bytes", .integer(plan.processBytes)),
                ("predicted_rss_bytes", .integer(plan.residentBytes)),
                ("flops_a", .double(plan.flopsA)), ("flops_b", .double(plan.flopsB)), ("recomputed_flops", .double(plan.recomputedFlops)),
                ("micro_batch", .integer(plan.pieceImages ?? settings.batchSize)), ("largest_batch", .integer(largest))
            ]
            row += efficiency.teams.map { ("efficiency_\($0.threads)", .double($0.share)) }
            if let seconds { row.append(("predicted_step_s", .double(seconds))) }
            print(jsonLine(row))
        } else {
            print(text(plan, settings, efficiency, seconds: seconds, largest: largest, available: available, images: images))
        }
        return 0
    }

    /// Images of the dataset; nil where nobody says how many.
    private static func images(_ a: Arguments) throws -> Int? {
        guard let data = try a.stringIfGiven("data") else { return try a.intIfGiven("images") }
        guard !a.isGiven("images") else { throw LearningError.configuration("--data counts the images: leave out --images") }
        return try DataOptions.open(data, role: .train, DecodeOptions()).count
    }

    private static func draw(_ plan: TrainingPlan, _ path: String) throws {
        try DurableFile.write(Array(PlanPicture.svg(plan.programs.map { ($0.title, $0.program) }).utf8), to: path)
    }

    private static func text(
        _ p: TrainingPlan, _ s: PretrainSettings, _ efficiency: TeamEfficiency, seconds: Double?, largest: Int, available: Int, images: Int?
    ) -> String {
        func line(_ name: String, _ bytes: Int, _ note: String = "") -> String {
            "  \(name.padded(22)) \(String(repeating: " ", count: max(0, 10 - ByteCount.text(bytes).count)))\(ByteCount.text(bytes))\(note.isEmpty ? "" : "   \(note)")"
        }
        var lines = [
            "Memory, batch \(s.batchSize), \(s.precision.rawValue):",
            line("parameters", p.parameterBytes), line("moments", p.momentBytes)
        ]
        if p.gradientBytes > 0 { lines.append(line("gradients", p.gradientBytes)) }
        lines += [
            line(
                "arena", p.arenaBytes,
                String(
                    format: "%.3f of the least possible; %@ without reuse", Double(p.arenaBytes) / Double(max(1, p.lowerBoundBytes)),
                    ByteCount.text(p.naiveBytes))),
            line("threads' scratch", p.workspaceBytes), line("batches ahead", p.loaderBytes), line("the process itself", p.processBytes),
            line("total", p.residentBytes),
            "The batch is computed \(p.pieceImages.map { "in pieces of \($0) images, their gradients added up" } ?? "whole")",
            "Largest batch in \(ByteCount.text(available)): \(largest)\(largest == 0 ? " (nothing fits without computing twice)" : "")",
            String(
                format: "Work: A %.1f, B %.1f GFLOP a step%@%@", p.flopsA * 1e-9, p.flopsB * 1e-9,
                s.maskerEvery > 1 ? " (the mean: B is done at each \(s.maskerEvery).)" : "",
                p.recomputedFlops > 0 ? String(format: ", of which %.1f a second time to save memory", p.recomputedFlops * 1e-9) : "")
        ]
        lines.append(
            "Threads at best (computed): "
                + efficiency.teams.map { String(format: "%d %.2f", $0.threads, $0.share) }.joined(separator: ", "))
        if let seconds {
            lines.append(String(format: "Time: %.3g s a step, %.3g images/s", seconds, Double(s.batchSize) / seconds))
            if let images {
                let epoch = seconds * (Double(images) / Double(s.batchSize)).rounded(.up) / 3600
                lines.append(
                    String(
                        format: "      %.3g h an epoch of %d images, %.3g h for %d epochs", epoch, images,
                        epoch * Double(s.schedule.epochs), s.schedule.epochs))
            }
        }
        return lines.joined(separator: "\n")
    }
}
