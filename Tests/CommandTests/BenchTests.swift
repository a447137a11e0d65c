import Foundation
import Testing

struct BenchTests {
    private let small = [
        "--image-size", "16", "--patch-size", "4", "--embed-dim", "16", "--depth", "1", "--num-heads", "2", "--decoder-embed-dim", "16",
        "--decoder-depth", "1", "--decoder-num-heads", "2"
    ]

    private func objects(_ arguments: [String]) throws -> [[String: Any]] {
        let output = Pipe()
        let process = try startCurricle(
            ["bench"] + arguments + ["--json", "--repeats", "2", "--warmup", "1", "--threads", "2"], output: output)
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return try text.split(separator: "\n").map { try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]) }
    }

    @Test("step prints its fields") func stepPrintsItsFields() throws {
        let row = try #require(try objects(["step", "--batch-size", "2"] + small).first)
        for key in [
            "preset", "batch", "precision", "threads", "isa", "step_s", "step_a_s", "step_b_s", "img_s", "gflop_s", "peak_gflop_s",
            "peak_share", "rss_mb", "arena_mb"
        ] {
            #expect(row[key] != nil, "\(key)")
        }
    }

    @Test("features products and loader print theirs") func featuresProductsAndLoaderPrintTheirs() throws {
        #expect(try objects(["infer", "--batch-size", "2"] + small).first?["infer_s"] is Double)
        let kernels = try objects(["kernels", "--batch-size", "2"] + small)
        #expect(kernels.contains { $0["kernel"] as? String == "linear_weight_gradient" } && kernels.allSatisfy { $0["ratio"] is Double })
        let folder = try Folder()
        let data = try writeDigits(folder, count: 20)
        #expect(try objects(["loader", "--data", data, "--channels", "1"] + small).first?["images"] as? Int == 20)
    }
}
