import Foundation
import Testing

private func checkpoint(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
        "Fixtures/checkpoints/\(name)"
    ).path
}

@Suite struct CheckpointCommandTests {
    @Test("import and export") func importAndExport() throws {
        let folder = try Folder()
        let imported = try curricle(
            "import", checkpoint("mae.pth"), "-o", folder.file("mae.safetensors"), "--num-heads", "4", "--decoder-num-heads", "4")
        #expect(imported.code == 0, "\(imported.errors)")
        #expect(imported.output.contains("layout mae") && imported.output.contains("encoder, decoder"))
        for (layout, output) in [("mae", "a.safetensors"), ("timm", "b.safetensors"), ("hf", "folder"), ("onnx", "d.onnx")] {
            let exported = try curricle(
                "export", "--weights", folder.file("mae.safetensors"), "--layout", layout, "-o", folder.file(output))
            #expect(exported.code == 0, "\(exported.errors)")
            #expect(FileManager.default.fileExists(atPath: folder.file(output)))
        }
        #expect(FileManager.default.fileExists(atPath: folder.file("folder/config.json")))
        let again = try curricle("import", folder.file("folder/model.safetensors"), "-o", folder.file("again.safetensors"))
        #expect(again.code == 0 && again.output.contains("layout hf") && again.output.contains("encoder, decoder"))
    }

    @Test("bad input is named in one line") func badInputIsNamedInOneLine() throws {
        let folder = try Folder()
        for (arguments, expected) in [
            ([checkpoint("evil.pth")], "posix.system"), ([checkpoint("legacy.pth")], "old format"), ([checkpoint("none.pth")], "none.pth"),
            ([checkpoint("protocol4.pth")], "no vision transformer"), ([checkpoint("timm.pth")], "--num-heads"),
            ([checkpoint("timm.pth"), "--num-heads", "5"], "heads"), ([checkpoint("timm.pth"), "--layout", "dino"], "mae, timm, hf"),
            ([checkpoint("timm.pth"), "--layout", "hf"], "patch_embed"),
            ([checkpoint("timm.pth"), "--num-heads", "4", "--image-size", "30"], "divide")
        ] {
            let result = try run(["import"] + arguments + ["-o", folder.file("out.safetensors")])
            #expect(result.code == 2)
            #expect(result.lastError.contains(expected), "\(result.errors)")
            #expect(!FileManager.default.fileExists(atPath: folder.file("out.safetensors")))
        }
    }

    private func run(_ arguments: [String]) throws -> CommandResult {
        let output = Pipe(), errors = Pipe()
        let process = try startCurricle(arguments, output: output, errors: errors)
        let errorText = errors.fileHandleForReading.readDataToEndOfFile(), outputText = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return CommandResult(
            code: process.terminationStatus, output: String(decoding: outputText, as: UTF8.self),
            errors: String(decoding: errorText, as: UTF8.self))
    }

    /// A published MAE is a plain one: its masker begins afresh, and the run goes on from its encoder and decoder.
    @Test("pretraining begins with an MAE") func pretrainingBeginsWithAnMAE() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 16)
        let settings = ["--data", data] + smallModel + ["--epochs", "2"]
        #expect(try run(["pretrain", "--output", folder.file("first")] + settings).code == 0)
        let weights = folder.file("first/model.safetensors")
        let all = try run(["import", weights, "-o", folder.file("all.safetensors")])
        #expect(all.code == 0 && all.output.contains("holds encoder, decoder, masker"), "\(all.errors)")
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: folder.file("all.safetensors"))) == Data(contentsOf: URL(fileURLWithPath: weights)))
        #expect(try curricle("export", "--weights", weights, "--layout", "timm", "-o", folder.file("encoder.safetensors")).code == 0)
        let second = try run(["pretrain", "--output", folder.file("second"), "--init-from", folder.file("encoder.safetensors")] + settings)
        #expect(second.code == 0, "\(second.errors)")
        #expect(second.output.contains("begun afresh: decoder and masker"))
    }
}
