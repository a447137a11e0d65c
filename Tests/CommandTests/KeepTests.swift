import Foundation
import Testing

/// Features of some of an image's patches, and what a masker finds, as a user meets them.
struct KeepTests {
    @Test("every rule: a program has the command's bytes; all patches are no rule; a partner is kept for it")
    func rules() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 30), run = folder.file("run"), weights = run + "/model.safetensors"
        let made = try curricle(["pretrain", "--data", data, "--output", run] + smallModel + ["--epochs", "4"])
        #expect(made.code == 0, "\(made.errors)")
        let partner = run + "/partner.safetensors"
        // λ is above 0 in the first two of four epochs.
        let early = try curricle(
            ["pretrain", "--data", data, "--output", folder.file("early")] + smallModel + ["--epochs", "4", "--save-ckpt-freq", "2"])
        #expect(early.code == 0)
        func tensors(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }
        #expect(try tensors(partner) == tensors(folder.file("early/checkpoint-2.safetensors")))

        let masks = try curricle(
            "masks", "--weights", weights, "--data", data, "--split", "test", "-o", folder.file("m.png"), "--map", folder.file("map.txt"))
        #expect(masks.code == 0, "\(masks.errors)")
        let map = try String(contentsOfFile: folder.file("map.txt"), encoding: .utf8).split(separator: "\n").compactMap { Double($0) }
        #expect(map.count == 16 && map.allSatisfy { $0 > 0 && $0 < 1 })

        func extract(_ words: [String]) throws -> Data {
            let result = try curricle(
                ["extract", "--data", data, "-o", folder.file("f.npy"), "--pool", "mean", "--weights", weights] + words)
            #expect(result.code == 0, "\(result.errors)")
            return try Data(contentsOf: URL(fileURLWithPath: folder.file("f.npy")))
        }
        let whole = try extract([])
        var seen: Set<Data> = [whole]
        for rule in [["grid"], ["contrast"], ["map", "--keep-map", folder.file("map.txt")], ["masker", "--keep-masker", partner]] {
            let keep = ["--keep", "0.5", "--keep-by"] + rule, program = folder.file("\(rule[0]).curricle")
            let features = try extract(keep)
            #expect(seen.insert(features).inserted, "\(rule[0])")
            let compiled = try curricle(["compile", "--weights", weights, "--pool", "mean", "--batch", "3", "-o", program] + keep)
            #expect(compiled.code == 0 && compiled.output.contains("version 2"), "\(compiled.errors)")
            let extracted = try curricle("extract", "--program", program, "--data", data, "-o", folder.file("p.npy"))
            #expect(extracted.code == 0, "\(extracted.errors)")
            #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file("p.npy"))) == features, "\(rule[0])")
            #expect(try extract(["--keep", "1", "--keep-by"] + rule) == whole, "\(rule[0])")
            let judged = try curricle(["knn", "--weights", weights, "--train", data, "--test", data, "-k", "3", "--pool", "mean"] + keep)
            #expect(judged.code == 0 && judged.output.contains("Acc@1"), "\(judged.errors)")
        }

        let small = try folder.write("small.txt", Array("1 2 3".utf8)), words = try folder.write("words.txt", Array("1 two 3".utf8))
        for (options, word) in [
            (["--keep-by", "grid"], "--keep"), (["--keep", "0.5", "--keep-by", "map"], "--keep-map"),
            (["--keep", "0.5", "--keep-by", "masker"], "partner.safetensors"), (["--keep", "0.5", "--keep-map", small], "--keep-by map"),
            (["--keep", "0.5", "--keep-by", "map", "--keep-map", small], "3 numbers, and an image has 16 patches"),
            (["--keep", "0.5", "--keep-by", "map", "--keep-map", words], "beside numbers"),
            (["--keep", "0.5", "--pool", "tokens"], "all patches")
        ] {
            let refused = try curricle(["extract", "--data", data, "-o", folder.file("no.npy"), "--weights", weights] + options)
            #expect(refused.code == 2 && refused.lastError.contains(word), "\(refused.errors)")
        }

        let saliency = try curricle("masks", "--run", run, "--saliency", "--data", data, "-o", folder.file("s.png"), "--json")
        let lines = saliency.output.split(separator: "\n")
        #expect(saliency.code == 0 && lines.count == 2 && lines[0].contains("partner") && lines[1].contains("end"), "\(saliency.errors)")
        let page = try curricle("report", run, "--data", data, "-o", folder.file("page.html"))
        #expect(page.code == 0, "\(page.errors)")
        #expect(try String(contentsOfFile: folder.file("page.html"), encoding: .utf8).contains("What the masker finds"))
    }
}
