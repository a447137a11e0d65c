import CurricleEngine
import Foundation
import CurricleModels
import CurricleProofs
import CurricleRuntime
import CurricleSettings
import CurricleTerminal

/// Replays golden traces, digests and photographs and prints the largest errors.
enum VerifyCommand {
    static let command = Command(
        name: "verify", summary: "replay golden traces and digests: is what this machine computes right?",
        options: [
            .value("image", "PHOTO", .path(.file), "the photograph that files of the format \(Photograph.format) are about"),
            .value(
                "precision", "KIND", .word(of: [Precision.float32, .bfloat16].map(\.rawValue)),
                "f32, or bf16: how far a training in it is from a golden trace's float64", fallback: Precision.float32.rawValue),
            SharedOptions.threads(), SharedOptions.isa
        ],
        arguments: "FILE…", argumentCount: 1...1000,
        example: "curricle verify micro.safetensors tiny.json --threads 2 --isa avx2")

    static func run(_ arguments: Arguments) throws -> Int32 {
        let threads = try SharedOptions.threads(arguments)
        let isa = try ISA.named(arguments.stringIfGiven("isa"))
        var passes = true
        for path in arguments.positional {
            let precision: Precision = try arguments.choice("precision")
            let report = try report(on: path, precision, image: arguments.stringIfGiven("image"), threads: threads, isa: isa)
            print("\(path)  (\(isa), \(threads) thread\(threads == 1 ? "" : "s"))")
            for c in report.comparisons {
                let error = String(format: "%9.2e %@", c.worst, c.measure), limit = String(format: "%.0e", c.tolerance)
                print("  \(c.passes ? "ok  " : "FAIL") \(c.kind.padded(17)) \(error.padded(26)) limit \(limit)   \(c.worstTensor)")
            }
            passes = passes && report.passes
        }
        return passes ? 0 : 1
    }

    private static func report(
        on path: String, _ precision: Precision, image: String?, threads: Int, isa: ISA
    ) throws -> VerificationReport {
        if precision == .bfloat16 {
            guard !path.hasSuffix(".json"), !Photograph.isMeant(by: path) else {
                throw LearningError.configuration("\(path) is no golden trace: --precision bf16 replays nothing else")
            }
            return try GoldenTrace(path: path).verifyBfloat16(threads: threads, isa: isa)
        }
        if path.hasSuffix(".json") { return try GoldenDigest(path: path).verify(threads: threads, isa: isa) }
        guard Photograph.isMeant(by: path) else { return try GoldenTrace(path: path).verify(threads: threads, isa: isa) }
        guard let image else { throw LearningError.configuration("\(path) is about a photograph: name it with --image PHOTO") }
        return try Photograph(path: path).verify(image: image)
    }
}

extension String {
    func padded(_ width: Int) -> String { count < width ? self + String(repeating: " ", count: width - count) : self }
}
