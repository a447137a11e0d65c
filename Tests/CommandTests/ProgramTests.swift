import Foundation
import Testing

/// compile, inspect, extract and bench infer --program, as a user meets them.
struct ProgramTests {
    @Test("weights become a program and features") func weightsBecomeAProgramAndFeatures() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 30)
        let process = try startCurricle(
            ["pretrain", "--data", data, "--output", folder.file("run")] + smallModel + ["--epochs", "2", "--max-steps", "2"])
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        let program = folder.file("encoder.curricle")
        let compiled = try curricle(
            "compile", "--weights", folder.file("run/model.safetensors"), "--pool", "tokens", "--batch", "4", "-o", program)
        #expect(compiled.code == 0, "\(compiled.errors)")
        #expect(compiled.output.contains("rgb8 [4, 8, 8, 1], patches of 2") && compiled.output.contains("float32 [4, 16, 16]"))
        let inspected = try curricle("inspect", program, "--instructions")
        #expect(inspected.code == 0 && inspected.output.contains("0: patchify"))

        let extracted = try curricle(
            "extract", "--program", program, "--data", data, "--split", "test", "--output", folder.file("f.npy"), "--csv",
            folder.file("f.csv"))
        #expect(extracted.code == 0, "\(extracted.errors)")
        let array = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder.file("f.npy"))))
        #expect(String(decoding: array[10..<128], as: UTF8.self).contains("'shape': (30, 16, 16)") && array.count == 128 + 30 * 16 * 16 * 4)
        let lines = try String(contentsOfFile: folder.file("f.csv"), encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 31 && lines[1].split(separator: ",").count == 257)
        // The table's numbers are the array's.
        let first = (0..<256).map { i in
            array[(128 + 4 * i)..<(132 + 4 * i)].enumerated().reduce(UInt32(0)) { $0 | UInt32($1.element) << (8 * UInt32($1.offset)) }
        }
        #expect(lines[1].split(separator: ",").dropFirst().map { Float($0)?.bitPattern } == first.map { Optional($0) })

        let timed = try curricle("bench", "infer", "--program", program, "--json", "--repeats", "2", "--warmup", "1", "--threads", "2")
        let row = try #require(try JSONSerialization.jsonObject(with: Data(timed.output.utf8)) as? [String: Any])
        for key in ["infer_s", "img_s", "open_s", "open_checked_s", "arena_mb", "peak_share"] { #expect(row[key] is Double, "\(key)") }
    }

    @Test(
        "int8 and bf16: compared with float32 before they are written, and read by all that computes features", arguments: ["int8", "bf16"])
    func lowerPrecision(_ kind: String) throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 30), weights = folder.file("run/model.safetensors")
        let made = try curricle(
            ["pretrain", "--data", data, "--output", folder.file("run")] + smallModel + ["--epochs", "2", "--max-steps", "2"])
        #expect(made.code == 0, "\(made.errors)")
        let compile = ["compile", "--weights", weights, "--precision", kind, "--batch", "4", "--pool", "mean"]
        let compiled = try curricle(compile + ["--images", data, "-o", folder.file("bytes")])
        #expect(compiled.code == 0 && compiled.output.hasPrefix("against float32: cosine "), "\(compiled.errors)\(compiled.output)")
        let inspected = try curricle("inspect", folder.file("bytes"), "--instructions")
        for fact in ["version 2", "precision    \(kind)", "by \"curricle ", "linear_\(kind)"] {
            #expect(inspected.output.contains(fact), "\(fact)")
        }
        let far = try curricle(compile + ["--images", data, "--least-cosine", "1", "-o", folder.file("far")])
        #expect(far.code == 2 && far.lastError.contains("less than --least-cosine"), "\(far.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder.file("far")))
        let plain = try curricle("compile", "--weights", weights, "--images", data, "-o", folder.file("far"))
        #expect(plain.code == 2 && plain.lastError.contains("--precision int8"), "\(plain.errors)")

        func extract(_ words: String...) throws -> Data {
            let result = try curricle(["extract", "--data", data, "-o", folder.file("f.npy")] + words)
            #expect(result.code == 0, "\(result.errors)")
            return try Data(contentsOf: URL(fileURLWithPath: folder.file("f.npy")))
        }
        let bytes = try extract("--weights", weights, "--precision", kind, "--pool", "mean")
        #expect(try extract("--program", folder.file("bytes")) == bytes)
        #expect(try extract("--weights", weights, "--pool", "mean") != bytes)
        let knn = try curricle("knn", "--weights", weights, "--train", data, "--test", data, "--precision", kind, "-k", "3")
        #expect(knn.code == 0 && knn.output.contains("Acc@1"), "\(knn.errors)")
        let timed = try curricle(["bench", "infer", "--precision", kind, "--repeats", "1", "--warmup", "0"] + smallModel.prefix(18))
        #expect(timed.code == 0 && timed.output.contains(kind), "\(timed.errors)")
        guard kind == "int8" else { return }
        #expect(try curricle("bench", "step", "--precision", "int8").lastError.contains("--precision int8 goes with infer"))
    }

    @Test("int8 of an encoder with channels far out is smoothed where --images shows that it needs it, and else refused")
    func smoothed() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 30)
        let made = try curricle(
            ["pretrain", "--data", data, "--output", folder.file("run")] + smallModel + ["--epochs", "2", "--max-steps", "2"])
        #expect(made.code == 0, "\(made.errors)")
        let far = try folder.write("far.safetensors", withChannelsFarOut(folder.file("run/model.safetensors")))
        let compile = ["compile", "--precision", "int8", "--pool", "mean", "--images", data, "-o", folder.file("bytes")]
        let plain = try curricle(compile + ["--weights", folder.file("run")]), smoothed = try curricle(compile + ["--weights", far])
        #expect(plain.code == 0 && !plain.output.contains("smoothed"), "\(plain.output)\(plain.errors)")
        #expect(smoothed.code == 0 && smoothed.output.contains("smoothed by 0.5, against float32: cosine "), "\(smoothed.errors)")
        // What is written is the best of those that were looked at, and near float32's.
        func extract(_ words: String...) throws -> [Float] {
            let path = folder.file("f.npy"), result = try curricle(["extract", "--data", data, "-o", path] + words)
            #expect(result.code == 0, "\(result.errors)")
            let bytes = try Data(contentsOf: URL(fileURLWithPath: path)), header = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
            return bytes[header...].withUnsafeBytes { raw in
                (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
            }
        }
        let exact = try extract("--weights", far, "--pool", "mean"), rounded = try extract("--program", folder.file("bytes"))
        let difference = zip(exact, rounded).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }, whole = exact.reduce(0) { $0 + $1 * $1 }
        #expect((difference / whole).squareRoot() < 0.05)
        let refused = try curricle(compile + ["--weights", far, "--least-cosine", "1"])
        #expect(refused.code == 2 && refused.lastError.contains("less than --least-cosine"), "\(refused.errors)")
    }

    /// The same function in float32: of each LayerNorm before a product two channels are 300 times as large, of the product's columns as small.
    private func withChannelsFarOut(_ path: String) throws -> [UInt8] {
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let length = Int(bytes[..<8].withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
        var header = try #require(try JSONSerialization.jsonObject(with: Data(bytes[8..<8 + length])) as? [String: Any])
        func scale(_ name: String, by factor: Float, _ isChanged: (Int) -> Bool) throws {
            let entry = try #require(header[name] as? [String: Any]), range = try #require(entry["data_offsets"] as? [Int])
            for i in 0..<(range[1] - range[0]) / 4 where isChanged(i) {
                let at = 8 + length + range[0] + 4 * i
                let x = bytes[at..<at + 4].withUnsafeBytes { $0.loadUnaligned(as: Float.self) } * factor
                withUnsafeBytes(of: x) { bytes.replaceSubrange(at..<at + 4, with: $0) }
            }
        }
        for (norm, product) in [("norm1", "attn.qkv"), ("norm2", "mlp.fc1")] {
            let shape = try #require((header["blocks.0.\(norm).weight"] as? [String: Any])?["shape"] as? [Int]), width = shape[0]
            for name in ["weight", "bias"] { try scale("blocks.0.\(norm).\(name)", by: 300) { [1, 5].contains($0) } }
            try scale("blocks.0.\(product).weight", by: 1 / 300) { [1, 5].contains($0 % width) }
        }
        var metadata = header["__metadata__"] as? [String: String] ?? [:]
        metadata["crc32c"] = nil  // of other numbers
        header["__metadata__"] = metadata
        var text = [UInt8](try JSONSerialization.data(withJSONObject: header))
        text += Array(repeating: 32, count: (8 - text.count % 8) % 8)
        return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text + bytes[(8 + length)...]
    }

    @Test("broken files end in one line") func brokenFilesEndInOneLine() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 10)
        let bad = try folder.write("bad.curricle", Array("CURRICLE".utf8) + Array(repeating: 7, count: 400))
        for arguments in [
            ["inspect", bad], ["extract", "--program", bad, "--data", data, "--output", folder.file("o.npy")],
            ["bench", "infer", "--program", bad]
        ] {
            let errors = Pipe()
            let process = try startCurricle(arguments, errors: errors)
            let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 2 && text.contains(bad) && text.contains("format version"), "\(arguments): \(text)")
        }
        #expect(!FileManager.default.fileExists(atPath: folder.file("o.npy")))
        #expect(try curricle("compile", "--trace", bad, "-o", folder.file("t")).code == 2)
    }

    @Test("traces are saved") func tracesAreSaved() throws {
        let folder = try Folder()
        let saved = try curricle("compile", "--trace", fixture("micro.safetensors"), "-o", folder.file("programs"))
        #expect(saved.code == 0, "\(saved.errors)")
        for name in ["step-a", "step-b", "features"] {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: folder.file("programs/\(name).program")))
            #expect(bytes.prefix(8) == Data("CURRICT4".utf8))
        }
    }
}
