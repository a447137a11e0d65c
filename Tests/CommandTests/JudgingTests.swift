import Foundation
import Testing
import CurricleVision

/// What is judged must not be what was learned.
@Suite("Judging features") struct JudgingTests {
    /// Grey pictures of three levels; some folders of them.
    private func write(_ folder: Folder, _ names: [String], each: Int = 6) throws {
        for (level, name) in names.enumerated() {
            for index in 0..<each {
                let pixels = (0..<64).map { UInt8(40 + level * 70 + ($0 * 7 + index * 5 + level) % 30) }
                _ = try folder.write("\(name)/\(index).png", encodePNG(PixelImage(width: 8, height: 8, channels: 1, pixels: pixels)))
            }
        }
    }

    private func pretrained(_ folder: Folder, _ data: String) throws -> String {
        let made = try curricle(
            ["pretrain", "--data", folder.file(data), "--output", folder.file("run")] + smallModel + ["--epochs", "2", "--max-steps", "1"])
        #expect(made.code == 0, "\(made.errors)")
        return folder.file("run")  // a run's folder is taken for its model
    }

    @Test("one class is refused: whatever is named is right")
    func oneClass() throws {
        let folder = try Folder()
        try write(folder, ["top/images"])
        let weights = try pretrained(folder, "top")
        for command in ["knn", "probe", "fewshot", "finetune"] {
            let result = try curricle(command, "--weights", weights, "--train", folder.file("top"), "--test", folder.file("top"))
            #expect(
                result.code == 2 && result.lastError.contains("one class") && result.lastError.contains("images"),
                "\(command): \(result.errors)")
        }
    }

    @Test("one class is left where all images of the others are broken")
    func oneClassLeft() throws {
        let folder = try Folder()
        try write(folder, ["data/a", "data/b"])
        let weights = try pretrained(folder, "data")
        for index in 0..<6 { _ = try folder.write("data/b/\(index).png", [1, 2, 3]) }
        for command in [["knn", "--test", folder.file("data")], ["probe", "--holdout", "0.3"], ["fewshot", "--folds", "3"]] {
            let result = try curricle([command[0], "--weights", weights, "--train", folder.file("data")] + command.dropFirst())
            #expect(result.code == 2 && result.lastError.contains("only one class"), "\(command): \(result.errors)")
        }
    }

    @Test("images judged against themselves: kNN leaves each out, what learns refuses and names what to give")
    func trainIsTest() throws {
        let folder = try Folder()
        try write(folder, ["flat/a", "flat/b", "flat/c"])
        let weights = try pretrained(folder, "flat"), data = folder.file("flat")
        try FileManager.default.createSymbolicLink(atPath: folder.file("link"), withDestinationPath: data)
        for test in [data, folder.file("link")] {
            let parts = ["--weights", weights, "--train", data, "--test", test]
            let knn = try curricle(["knn", "-k", "1", "--pool", "pixels"] + parts)
            #expect(knn.code == 0 && knn.errors.contains("each is left out of its own neighbours"), "\(knn.errors)")
            // 17 neighbours are left of 18 images.
            #expect(try curricle(["knn", "-k", "17"] + parts).code == 0)
            #expect(try curricle(["knn", "-k", "18"] + parts).lastError.contains("1 to 17"))
            for command in ["probe", "fewshot", "finetune"] {
                let result = try curricle([command] + parts)
                #expect(
                    result.code == 2 && result.lastError.contains("--holdout 0.2") && result.lastError.contains("--folds 5"),
                    "\(command): \(result.errors)")
            }
        }
        // A part of them.
        try write(folder, ["more/a", "more/b"], each: 2)
        try FileManager.default.linkItem(atPath: folder.file("flat/a/3.png"), toPath: folder.file("more/a/x.png"))
        let partial = try curricle("probe", "--weights", weights, "--train", data, "--test", folder.file("more"))
        #expect(partial.code == 0 && partial.errors.contains("1 of the 5 test images are training images too"), "\(partial.errors)")
    }

    @Test("a part of the training images is held out, or each is judged once in folds")
    func holdoutAndFolds() throws {
        let folder = try Folder()
        try write(folder, ["flat/a", "flat/b", "flat/c"], each: 10)
        let weights = try pretrained(folder, "flat"), parts = ["--weights", weights, "--train", folder.file("flat")]
        let tuning = ["--epochs", "1", "--warmup-epochs", "0"]
        for (command, options) in [("probe", []), ("fewshot", ["--ways", "3", "--shots", "2", "--episodes", "20"]), ("finetune", tuning)] {
            let held = try curricle([command, "--holdout", "0.2"] + parts + options)
            #expect(held.code == 0 && held.output.contains("(6 images, 3 classes,"), "\(command): \(held.output)\(held.errors)")
            let folds = try curricle([command, "--folds", "5"] + parts + options)
            #expect(folds.code == 0 && folds.output.contains("(30 images, 3 classes,"), "\(command): \(folds.output)\(folds.errors)")
            let both = try curricle([command, "--holdout", "0.2", "--test", folder.file("flat")] + parts + options)
            #expect(both.code == 2 && both.lastError.contains("--holdout"))
        }
        let kept = try curricle(["finetune", "--folds", "3", "--output", folder.file("tuned")] + parts + tuning)
        #expect(kept.code == 2 && kept.lastError.contains("--output"))
        let many = try curricle(["probe", "--folds", "11"] + parts)
        #expect(many.code == 2 && many.lastError.contains("the largest has 10"))
        let chosen = try curricle(["probe", "--folds", "2"] + parts)
        #expect(chosen.output.contains("by the least leave-one-out error"))
    }

    @Test("--json keeps the full number, its error, and what to read it beside")
    func json() throws {
        let folder = try Folder()
        try write(folder, ["flat/a", "flat/b"], each: 7)
        let weights = try pretrained(folder, "flat")
        let result = try curricle(
            "knn", "--weights", weights, "--train", folder.file("flat"), "--test", folder.file("flat"), "-k", "3", "--json")
        let object = try #require(JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        let accuracy = try #require(object["acc1"] as? Double), error = try #require(object["standard_error"] as? Double)
        #expect(abs(error - (accuracy * (1 - accuracy) / 14).squareRoot()) < 1e-12)
        #expect(
            object["images"] as? Int == 14 && object["classes"] as? Int == 2 && object["largest_class"] as? Double == 0.5
                && object["pool"] as? String == "fc_norm")
    }

    @Test("fine-tuning that ends far below kNN on the features as they were says so")
    func fineTuningThatLearnsNothing() throws {
        let folder = try Folder()
        try write(folder, ["data/train/a", "data/train/b", "data/train/c"], each: 12)
        try write(folder, ["data/test/a", "data/test/b", "data/test/c"], each: 8)
        let weights = try pretrained(folder, "data"), data = folder.file("data")
        let knn = try curricle("knn", "--weights", weights, "--train", data, "--test", data, "--json")
        #expect(knn.output.contains("\"acc1\":1.0"), "\(knn.output)")
        let parts = [
            "finetune", "--weights", weights, "--train", data, "--test", data, "--augment", "none", "--mixup", "0", "--cutmix", "0",
            "--drop-path", "0"
        ]
        let little = try curricle(parts + ["--epochs", "1", "--warmup-epochs", "0", "--lr", "1e-9"])
        #expect(
            little.code == 0 && little.errors.contains("far below the 1.000 of kNN") && little.errors.contains("--lr 0.001 --epochs"),
            "\(little.errors)")
        let enough = try curricle(parts + ["--epochs", "60", "--lr", "0.01", "--layer-decay", "1", "--batch-size", "12"])
        #expect(enough.code == 0 && !enough.errors.contains("far below"), "\(enough.output)")
    }

    @Test("a probe that is kept names images as it judged them, on the desk and as a device's program", arguments: ["ridge", "lars"])
    func keptProbe(method: String) throws {
        let folder = try Folder()
        try write(folder, ["data/train/a", "data/train/b", "data/train/c"], each: 10)
        try write(folder, ["data/test/a", "data/test/b", "data/test/c"], each: 9)
        let weights = try pretrained(folder, "data"), data = folder.file("data"), kept = folder.file("probe.safetensors")
        let judge = ["probe", "--weights", weights, "--train", data, "--test", data, "--method", method, "--json"]
        for pool in ["cls", "mean", "fc_norm", "cls+mean"] {
            let judged = try curricle(judge + ["--pool", pool, "--save", kept])
            #expect(judged.code == 0, "\(judged.errors)")
            let named = try curricle("predict", "--weights", kept, "--data", data, "--split", "test", "-o", folder.file("l.csv"), "--json")
            #expect(named.code == 0, "\(pool): \(named.errors)")
            #expect(try number(named, "acc1") == number(judged, "acc1"), "\(pool)")
            let program = folder.file("\(pool).curricle")
            #expect(try curricle("compile", "--weights", kept, "--head", "softmax", "--batch", "2", "-o", program).code == 0)
            let again = try curricle("predict", "--program", program, "--data", data, "--split", "test", "-o", folder.file("again.csv"))
            #expect(again.code == 0, "\(again.errors)")
            #expect(
                try Data(contentsOf: URL(fileURLWithPath: folder.file("again.csv")))
                    == Data(contentsOf: URL(fileURLWithPath: folder.file("l.csv"))), "\(pool)")
            let tuned = try curricle("finetune", "--eval", "--weights", kept, "--test", data)
            #expect((tuned.code == 0) == ["cls", "fc_norm"].contains(pool), "\(pool): \(tuned.errors)")
        }
        for (options, word) in [
            (["--folds", "3"], "--folds"), (["--pool", "pixels", "--test", data], "pixels"), (["--layer", "1", "--test", data], "--layer"),
            (["--precision", "int8", "--test", data], "--precision")
        ] {
            let refused = try curricle(["probe", "--weights", weights, "--train", data, "--save", folder.file("no")] + options)
            #expect(refused.code == 2 && refused.lastError.contains(word), "\(refused.errors)")
        }
        #expect(!FileManager.default.fileExists(atPath: folder.file("no")))
    }
}
