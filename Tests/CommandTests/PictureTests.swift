import Foundation
import Testing
import CurricleVision

struct PictureCommandTests {
    private let digits = fixture("mnist5k")

    /// One command after the other on a run of real digits, its kNN accuracy checked by the command of that name.
    @Test("a run is looked at") func aRunIsLookedAt() throws {
        let folder = try Folder(), run = folder.file("run")
        let trained = try curricle([
            "pretrain", "--data", digits, "--output", run, "--image-size", "28", "--patch-size", "7", "--channels", "1", "--embed-dim",
            "16", "--depth", "1", "--num-heads", "2",
            "--decoder-embed-dim", "16", "--decoder-depth", "1", "--decoder-num-heads", "2", "--augment", "none", "--mean", "0.13", "--std",
            "0.3", "--batch-size", "200",
            "--epochs", "3", "--lr", "0.003", "--warmup-epochs", "1", "--save-ckpt-freq", "1", "--knn-every", "2", "--norm-pix-loss"
        ])
        #expect(trained.code == 0, "\(trained.errors)")
        #expect(
            trained.errors.contains("every 2 epochs kNN on 1000 test images, against 4000") && trained.errors.contains("epoch 2: kNN Acc@1")
        )
        let lines = try String(contentsOfFile: run + "/log.jsonl", encoding: .utf8).split(separator: "\n")
            .compactMap { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }.filter { $0["knn_cls"] != nil }
        #expect(lines.count == 2)
        for (pool, key) in [("cls", "knn_cls"), ("mean", "knn_mean")] {
            let judged = try curricle(
                "knn", "--weights", run + "/checkpoint-2.safetensors", "--train", digits, "--test", digits, "--pool", pool, "--json")
            let accuracy = try #require(
                (JSONSerialization.jsonObject(with: Data(judged.output.utf8)) as? [String: Any])?["acc1"] as? Double)
            #expect(lines.first?[key] as? Double == accuracy && accuracy > 0.1 && accuracy < 1)
        }

        let data = ["--data", digits, "--split", "test", "-o"], weights = ["--weights", run + "/model.safetensors"]
        let rebuilt = try curricle(["reconstruct"] + weights + data + [folder.file("a.png"), "--images", "3"])
        #expect(
            rebuilt.code == 0 && rebuilt.output.contains("true patches' mean and deviation")
                && rebuilt.output.contains("the masker's masks of ratio 0.75"), "\(rebuilt.errors)")
        let json = try curricle(
            ["reconstruct"] + weights + data + [folder.file("b.png"), "--masking", "random", "--mask-ratio", "0.5", "--json"])
        let object = try #require(JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]),
            errors = try #require(object["errors"] as? [Double])
        #expect(
            errors.count == 8 && abs(errors.reduce(0, +) / 8 - (object["error"] as? Double ?? 0)) < 1e-5
                && object["masking"] as? String == "random")
        let film = try curricle(["masks", "--run", run] + data + [folder.file("c.png"), "--images", "2"])
        #expect(
            film.code == 0 && film.output.contains("    1  +1.000") && film.output.contains("    3  -1.000"), "\(film.output)\(film.errors)"
        )
        let masks = try curricle(["masks"] + weights + [run + "/checkpoint-1.safetensors"] + data + [folder.file("d.png"), "--json"])
        #expect(
            masks.code == 0 && masks.output.split(separator: "\n").count == 2 && masks.output.contains("\"masked_error\""),
            "\(masks.errors)")
        let attention = try curricle(["attend"] + weights + data + [folder.file("e.png"), "--images", "2", "--layer", "1"])
        #expect(attention.code == 0 && attention.output.contains("heads 1 to 2 of block 1"), "\(attention.errors)")
        let colours = try curricle(["attend", "--pca"] + weights + data + [folder.file("f.png"), "--json"])
        #expect(colours.code == 0 && colours.output.contains("variance_shares"), "\(colours.errors)")
        // Panels of 84 pixels and 4 between: rows × columns.
        for (name, rows, columns) in [("a", 3, 4), ("b", 8, 4), ("c", 2, 4), ("d", 8, 5), ("e", 2, 4), ("f", 2, 8)] {
            let image = try loadImage(at: folder.file("\(name).png"))
            #expect(image.width == 4 + columns * 88 && image.height == 4 + rows * 88, "\(name)")
        }
        let report = try curricle("report", run, "--data", digits, "-o", folder.file("page.html"))
        #expect(report.code == 0, "\(report.errors)")
        let page = try String(contentsOfFile: folder.file("page.html"), encoding: .utf8)
        for expected in ["From partner to adversary", "kNN accuracy", "of 2000 training images", "Machine"] {
            #expect(page.contains(expected))
        }
        #expect(!page.contains(folder.path) && !page.contains("mnist5k"))
    }

    @Test("bad input exits two with one line") func badInputExitsTwoWithOneLine() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 20)
        #expect(try curricle(["pretrain", "--data", data, "--output", folder.file("run"), "--epochs", "2"] + smallModel).code == 0)
        let weights = folder.file("run/model.safetensors"), output = ["--data", data, "-o", folder.file("x.png")]
        #expect(try curricle("export", "--weights", weights, "--layout", "timm", "-o", folder.file("encoder.safetensors")).code == 0)
        let encoder = [folder.file("encoder.safetensors"), "--num-heads", "2"]
        let unlabelled = data + "/train-images-idx3-ubyte", alone = folder.file("alone-images")
        try FileManager.default.copyItem(atPath: unlabelled, toPath: alone)
        for (arguments, expected) in [
            (["reconstruct", "--weights"] + encoder + output, "no decoder"),
            (["reconstruct", "--weights", weights, "--norm-pix-loss"] + output, "norm-pix-loss false"),
            (["reconstruct", "--weights", weights, "--mask-ratio", "0.99"] + output, "mask ratio"),
            (["reconstruct", "--weights", weights, "--data", folder.file("none"), "-o", "x"], "none"),
            (["masks"] + output, "--run"), (["masks", "--run", folder.file("nowhere")] + output, "checkpoint-N"),
            (["masks", "--weights"] + encoder + output, "no decoder"),
            (["attend", "--weights", weights, "--layer", "2"] + output, "--layer 2"),
            (["attend", "--weights", weights, "--layer", "1", "--pca"] + output, "--pca"),
            (["pretrain", "--data", alone, "--output", folder.file("new"), "--knn-every", "1"] + smallModel, "--knn-train"),
            (["pretrain", "--data", data, "--output", folder.file("new"), "--knn-train", data] + smallModel, "--knn-every")
        ] {
            let result = try curricle(arguments)
            #expect(result.code == 2 && result.errors.split(separator: "\n").count == 1, "\(arguments): \(result.errors)")
            #expect(result.lastError.contains(expected), "\(result.lastError)")
        }
        #expect(
            !FileManager.default.fileExists(atPath: folder.file("x.png"))
                && !FileManager.default.fileExists(atPath: folder.file("new/log.jsonl")))
        // Unlabelled images can be watched by other data.
        let watched = try curricle(
            ["pretrain", "--data", alone, "--output", folder.file("new"), "--epochs", "2", "--knn-every", "1", "--knn-train", data]
                + smallModel)
        #expect(watched.code == 0 && watched.errors.contains("epoch 1: kNN"), "\(watched.errors)")
    }
}
