import Foundation
import Testing

/// finetune and the probe with augmentation, as a user meets them.
struct FinetuneCommandTests {
    private func pretrained(_ folder: Folder, _ data: String) throws -> String {
        let made = try curricle(
            ["pretrain", "--data", data, "--output", folder.file("run")] + smallModel + ["--epochs", "2", "--max-steps", "2"])
        #expect(made.code == 0, "\(made.errors)")
        return folder.file("run/model.safetensors")
    }

    @Test("classes are learned kept and judged again") func classesAreLearnedKeptAndJudgedAgain() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 80), weights = try pretrained(folder, data),
            run = folder.file("tuned")
        let parts = ["--train", data, "--test", data, "--json"]
        let options = [
            "--epochs", "25", "--lr", "0.005", "--layer-decay", "0.9", "--batch-size", "16", "--augment", "none", "--drop-path", "0.1",
            "--mixup", "0", "--cutmix", "0"
        ]
        let tuned = try curricle(["finetune", "--weights", weights, "--output", run] + options + parts)
        #expect(tuned.errors.contains("begun afresh: fc_norm.weight, fc_norm.bias, head.weight, head.bias"))
        #expect(tuned.errors.contains("epoch 25/25") && tuned.errors.contains("test Acc@1"))
        let accuracy = try number(tuned, "acc1")
        #expect(accuracy > 0.9)
        #expect(try number(tuned, "best_acc1") >= accuracy)

        // The weights that it left say the same; so do their exported and imported twins.
        let judge = ["finetune", "--eval"] + parts
        // The file names its classes, so the training images are not needed.
        #expect(
            try number(curricle("finetune", "--eval", "--weights", run + "/model.safetensors", "--test", data, "--json"), "acc1")
                == accuracy)
        let other = try curricle(judge + ["--weights", run + "/model.safetensors", "--pool", "cls"])
        #expect(other.code == 2 && other.lastError.contains("norm.weight"))
        #expect(try number(curricle(judge + ["--weights", run + "/model.safetensors"]), "acc1") == accuracy)
        #expect(
            try curricle(
                "export", "--weights", run + "/model.safetensors", "--layout", "timm", "--part", "all", "-o",
                folder.file("timm.safetensors")
            ).code == 0)
        let exported = judge + ["--weights", folder.file("timm.safetensors"), "--num-heads", "2", "--mean", "0.5", "--std", "0.5"]
        #expect(try number(curricle(exported), "acc1") == accuracy)

        // And names images one by one: as many are right, the likeliest first, and shares of one.
        let named = try curricle(
            "predict", "--weights", run + "/model.safetensors", "--data", data, "--split", "test", "--top", "10", "-o",
            folder.file("labels.csv"), "--json")
        #expect(try number(named, "acc1") == accuracy)
        let lines = try String(contentsOfFile: folder.file("labels.csv"), encoding: .utf8).split(separator: "\n").map {
            $0.split(separator: ",").map(String.init)
        }
        #expect(lines[0].prefix(4) == ["file", "class", "probability", "class_2"] && lines[0].last == "label" && lines[0].count == 22)
        for line in lines.dropFirst() {
            let shares = stride(from: 2, to: 21, by: 2).compactMap { Double(line[$0]) }
            #expect(shares.count == 10 && abs(shares.reduce(0, +) - 1) < 1e-6 && shares == shares.sorted(by: >))
        }
        #expect(Double(lines.dropFirst().count { $0[1] == $0[21] }) / Double(lines.count - 1) == accuracy)
        // As a program for devices, with the classes' names in it: the same bytes, and a self-test that holds here.
        let compiled = try curricle(
            "compile", "--weights", run + "/model.safetensors", "--head", "softmax", "--batch", "3", "-o", folder.file("c.curricle"))
        #expect(compiled.code == 0 && compiled.output.contains("probabilities of the classes 0, 1, 2"))
        let byProgram = try curricle(
            "predict", "--program", folder.file("c.curricle"), "--data", data, "--split", "test", "--top", "10", "-o",
            folder.file("by-program.csv"), "--threads", "2")
        #expect(byProgram.code == 0 && byProgram.output.contains("Acc@1"), "\(byProgram.errors)")
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: folder.file("by-program.csv")))
                == Data(contentsOf: URL(fileURLWithPath: folder.file("labels.csv"))))
        let features = try curricle("compile", "--weights", weights, "-o", folder.file("f.curricle"))
        #expect(features.code == 0)
        let mistaken = try curricle("predict", "--program", folder.file("f.curricle"), "--data", data, "-o", folder.file("no.csv"))
        #expect(mistaken.code == 2 && mistaken.lastError.contains("--head softmax"))
        let both = try curricle(
            "compile", "--weights", run + "/model.safetensors", "--head", "logits", "--pool", "mean", "-o", folder.file("n"))
        #expect(both.code == 2 && both.lastError.contains("--pool"))

        let unnamed = try curricle("predict", "--weights", weights, "--data", data, "-o", folder.file("none.csv"))
        #expect(unnamed.code == 2 && unnamed.lastError.contains("no classifier"))
        #expect(!FileManager.default.fileExists(atPath: folder.file("none.csv")))

        let again = try curricle(["finetune", "--weights", weights, "--output", run] + options + parts)
        #expect(again.code == 2 && again.lastError.contains("holds a run already"))
        let page = try curricle("report", run, "-o", folder.file("page.html"))
        #expect(page.code == 0)
        let text = try String(contentsOfFile: folder.file("page.html"), encoding: .utf8)
        #expect(text.contains("curricle report RUN --data PATH"))
        #expect(text.contains("Test accuracy") && text.contains("best test Acc@1") && !text.contains("CL-MAE"))
        let headless = try curricle(judge + ["--weights", weights])
        #expect(headless.code == 2 && headless.lastError.contains("has no head for 10 classes"))
    }

    @Test("a stopped run goes on to the same bits") func aStoppedRunGoesOnToTheSameBits() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 40), weights = try pretrained(folder, data)
        let command = [
            "finetune", "--weights", weights, "--train", data, "--test", data, "--epochs", "3", "--batch-size", "16", "--accum-iter", "2",
            "--clip-grad", "1"
        ]
        #expect(try curricle(command + ["--output", folder.file("whole")]).code == 0)
        #expect(try curricle(command + ["--output", folder.file("cut"), "--max-steps", "3"]).code == 0)
        let resumed = try curricle(command + ["--output", folder.file("cut"), "--resume"])
        #expect(resumed.code == 0 && resumed.errors.contains("resumed at step 3"), "\(resumed.errors)")
        let files = ["whole", "cut"].map { URL(fileURLWithPath: folder.file("\($0)/model.safetensors")) }
        #expect(try Data(contentsOf: files[0]) == Data(contentsOf: files[1]))
    }

    @Test("a probe learns from new crops") func aProbeLearnsFromNewCrops() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 60), weights = try pretrained(folder, data)
        let command = [
            "probe", "--weights", weights, "--train", data, "--test", data, "--method", "lars", "--epochs", "4", "--warmup-epochs", "1",
            "--json"
        ]
        let plain = try number(curricle(command), "acc1"), cropped = try number(curricle(command + ["--augment", "mae"]), "acc1")
        #expect((0...1).contains(plain) && (0...1).contains(cropped))
        #expect(try number(curricle(command + ["--augment", "mae"]), "acc1") == cropped)  // the seed decides
        let both = try curricle(["probe", "--weights", weights, "--train", data, "--test", data, "--augment", "mae"])
        #expect(both.code == 2 && both.lastError.contains("--method lars"))
    }
}
