import Foundation
import Testing

/// quickstart, and runs that fit the time there is.
struct QuickstartTests {
    @Test("a folder is described, and its recipe runs; epochs that were fitted stay when the run is resumed")
    func recipe() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 200), recipe = folder.file("recipe.json")
        let told = try curricle("quickstart", data, "--minutes", "1", "-o", recipe)
        #expect(told.code == 0, "\(told.errors)")
        for part in [
            "200 images to learn from", "10 classes", "grey; shorter sides of 8 to 8 pixels", "epochs in batches of", "pretrain --config"
        ] {
            #expect(told.output.contains(part), "\(part): \(told.output)")
        }
        let configuration = try #require(
            JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: recipe))) as? [String: Any])
        #expect(
            configuration["channels"] as? Int == 1 && configuration["masking"] as? String == "random"
                && configuration["data"] as? String == data)
        #expect(try #require(configuration["epochs"] as? Int) > 1)

        let run = folder.file("run"), fitted = ["pretrain", "--data", data, "--output", run, "--max-minutes", "0.2"] + smallModel
        let words = fitted + ["--max-steps", "3"]
        let began = try curricle(words)
        #expect(began.code == 0 && began.errors.contains("epochs in 0.2 min"), "\(began.errors)")
        func epochs() throws -> Int {
            let object =
                try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: run + "/config.json"))) as? [String: Any]
            return try #require(object?["epochs"] as? Int)
        }
        let first = try epochs()
        let resumed = try curricle("pretrain", "--data", data, "--output", run, "--resume", "--max-minutes", "9", "--max-steps", "5")
        #expect(resumed.code == 0 && !resumed.errors.contains("min"), "\(resumed.errors)")
        #expect(try epochs() == first && first >= 1)
        let both = try curricle(
            ["pretrain", "--data", data, "--output", folder.file("both"), "--max-minutes", "1", "--epochs", "2"] + smallModel)
        #expect(both.code == 2 && both.lastError.contains("--max-minutes"), "\(both.errors)")
        let tuned = try curricle(
            "finetune", "--weights", run, "--train", data, "--test", data, "--output", folder.file("tuned"), "--max-minutes", "0.1",
            "--max-steps", "2")
        #expect(tuned.code == 0 && tuned.errors.contains("in 0.1 min"), "\(tuned.errors)")
    }

    @Test("the plan of a run without a masker is timed too") func plan() throws {
        let timed = try curricle(["plan", "--masking", "random", "--json"] + smallModel.prefix(18))
        #expect(timed.code == 0 && timed.output.contains("predicted_step_s"), "\(timed.errors)")
    }
}
