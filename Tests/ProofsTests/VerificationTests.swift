import Foundation
import CurricleRuntime
import CurricleTestSupport
import Testing
@testable import CurricleProofs
@testable import CurricleStorage

struct VerificationTests {
    @Test("traces are met", arguments: ISA.available, [1, 2])
    func tracesAreMet(isa: ISA, threads: Int) throws {
        for name in ["micro", "odd"] { try meet(name, isa: isa, threads: threads) }
    }

    private func meet(_ name: String, isa: ISA, threads: Int) throws {
        let report = try GoldenTrace(path: fixture("\(name).safetensors")).verify(threads: threads, isa: isa)
        #expect(
            report.comparisons.map(\.kind) == [
                "scores", "kept patches", "predictions", "losses", "gradients", "features", "trajectory", "final parameters"
            ])
        for comparison in report.comparisons {
            #expect(
                comparison.passes, "\(comparison.kind): \(comparison.worst) in \(comparison.worstTensor), limit \(comparison.tolerance)")
        }
    }

    @Test("in bf16 traces are met as nearly as that goes", arguments: ISA.available)
    func bfloat16(isa: ISA) throws {
        for name in ["micro", "odd"] {
            let report = try GoldenTrace(path: fixture("\(name).safetensors")).verifyBfloat16(threads: 2, isa: isa)
            for comparison in report.comparisons {
                #expect(
                    comparison.passes, "\(comparison.kind): \(comparison.worst) in \(comparison.worstTensor), limit \(comparison.tolerance)"
                )
            }
            #expect(report.comparisons[0].worst > 1e-4, "nothing was rounded")
        }
    }

    @Test("full size digest is met", arguments: ISA.available)
    func fullSizeDigestIsMet(isa: ISA) throws {
        for comparison in try GoldenDigest(path: fixture("tiny.json")).verify(threads: 2, isa: isa).comparisons {
            #expect(
                comparison.passes, "\(comparison.kind): \(comparison.worst) in \(comparison.worstTensor), limit \(comparison.tolerance)")
        }
    }

    /// One wrong number among the expected ones must be found, whatever tensor it is in.
    @Test(
        "a wrong value is refused",
        arguments: [
            "scores", "mae.pred", "mae.loss", "mae.grad.blocks.1.mlp.fc1.weight", "mae.grad.cls_token", "masker.loss.kl", "masker.pred",
            "masker.grad.masking_net.blocks.4.attn.qkv.bias", "features.mean", "trajectory.recon", "final.blocks.0.attn.proj.weight",
            "final.mask_token"
        ])
    func aWrongValueIsRefused(tensor: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("wrong.safetensors")
        var bytes = try Data(contentsOf: URL(fileURLWithPath: fixture("micro.safetensors")))
        let file = try TensorFile(path: fixture("micro.safetensors"))
        let values = try file.floats(tensor)
        let place = values.indices.max { abs(values[$0]) < abs(values[$1]) } ?? 0
        // A move of 1e-3 of the largest value is past every tolerance; a final parameter must be off by more than its move.
        let changed = tensor.hasPrefix("final.") ? values[place] + 0.05 : values[place] * 1.001
        withUnsafeBytes(of: changed.bitPattern.littleEndian) { raw in
            let start = (try? file.entry(tensor).byteRange.lowerBound) ?? 0
            bytes.replaceSubrange((start + place * 4)..<(start + place * 4 + 4), with: raw)
        }
        try bytes.write(to: URL(fileURLWithPath: path))
        #expect(!(try GoldenTrace(path: path).verify(threads: 2, isa: .best).passes))
    }

    @Test("kept patches in another order are refused") func keptPatchesInAnotherOrderAreRefused() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("wrong.safetensors")
        var bytes = try Data(contentsOf: URL(fileURLWithPath: fixture("micro.safetensors")))
        let start = try TensorFile(path: fixture("micro.safetensors")).entry("ids_keep").byteRange.lowerBound
        let first = bytes[start]
        bytes[start] = bytes[start + 8]
        bytes[start + 8] = first
        try bytes.write(to: URL(fileURLWithPath: path))
        #expect(!(try GoldenTrace(path: path).verify(threads: 2, isa: .best).passes))
    }

    @Test("a comparison never passes on nothing or na n") func aComparisonNeverPassesOnNothingOrNaN() {
        #expect(!Comparison("x", "relative", tolerance: 1).passes)
        var nan = Comparison("x", "relative", tolerance: 1)
        nan.note([.nan], [1], "t")
        #expect(!nan.passes)
        var short = Comparison("x", "relative", tolerance: 1)
        short.note([1], [1, 2], "t")
        #expect(!short.passes)
    }

    @Test("files that are no trace are named") func filesThatAreNoTraceAreNamed() throws {
        #expect(throws: (any Error).self) { try GoldenTrace(path: fixture("tiny.json")) }
        #expect(throws: (any Error).self) { try GoldenDigest(path: fixture("micro.safetensors")) }
        #expect(throws: (any Error).self) { try GoldenTrace(path: "/nowhere/micro.safetensors") }
    }
}
