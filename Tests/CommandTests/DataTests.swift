import Foundation
import Testing
import CurricleVision

/// Data as a user has it: broken images, several folders, parts under other names.
@Suite("Data of the commands") struct DataCommandTests {
    /// Grey pictures in two parts of three classes; some files of the test part are empty.
    private func writePictures(_ folder: Folder, empty: Set<Int> = []) throws -> String {
        var number = 0
        for part in ["Training", "Validation"] {
            for (level, name) in ["dark", "grey", "light"].enumerated() {
                for index in 0..<6 {
                    let pixels = (0..<64).map { UInt8(40 + level * 80 + ($0 * 7 + index * 5) % 30) }
                    let png = try encodePNG(PixelImage(width: 8, height: 8, channels: 1, pixels: pixels))
                    if part == "Validation" { number += 1 }
                    _ = try folder.write("data/\(part)/\(name)/\(index).png", part == "Validation" && empty.contains(number - 1) ? [] : png)
                }
            }
        }
        return folder.file("data")
    }

    private func pretrained(_ folder: Folder, _ data: String) throws -> String {
        let made = try curricle(
            ["pretrain", "--data", data, "--output", folder.file("run")] + smallModel + ["--epochs", "2", "--max-steps", "1"])
        #expect(made.code == 0, "\(made.errors)")
        return folder.file("run/model.safetensors")
    }

    @Test("of 18 test images with 2 empty files 16 are judged, and each is named once")
    func brokenImagesAreNotJudged() throws {
        let folder = try Folder(), data = try writePictures(folder, empty: [4, 17]), weights = try pretrained(folder, data)
        for (command, words) in [
            ("knn", ["against 18 images", "(16 images, 3 classes, largest 0.375)"]),
            ("probe", ["learned from 18 images", "(16 images, 3 classes, largest 0.375)"])
        ] {
            let result = try curricle(command, "--weights", weights, "--train", data, "--test", data)
            #expect(result.code == 0 && words.allSatisfy(result.output.contains), "\(result.output)\(result.errors)")
            #expect(result.errors.components(separatedBy: "left out: ").count == 3)
        }
        let strict = try curricle("knn", "--weights", weights, "--train", data, "--test", data, "--strict")
        #expect(strict.code == 2 && strict.lastError.contains("the file is empty"))
        let tuned = try curricle(
            "finetune", "--weights", weights, "--train", data, "--test", data, "--epochs", "2", "--warmup-epochs", "1", "--json")
        #expect(tuned.code == 0 && tuned.output.contains("\"images\":16"), "\(tuned.output)\(tuned.errors)")
    }

    @Test("every part, and several folders, are one dataset")
    func partsAndFolders() throws {
        let folder = try Folder(), data = try writePictures(folder), weights = try pretrained(folder, data)
        func images(_ path: String, _ split: String) throws -> String {
            let result = try curricle(
                "extract", "--weights", weights, "--data", path, "--split", split, "--output", folder.file("\(UUID().uuidString).npy"),
                "--json")
            #expect(result.code == 0, "\(result.errors)")
            return result.output
        }
        #expect(try images(data, "train").contains("\"images\":18,") && images(data, "all").contains("\"images\":36,"))
        #expect(try images("\(data)/Training/dark::\(data)/Training/light", "train").contains("\"images\":12,"))
    }

    @Test("what is passed over is said, and what a file of another kind is")
    func passedOver() throws {
        let folder = try Folder()
        _ = try folder.write(
            "photos/a.png", encodePNG(PixelImage(width: 8, height: 8, channels: 1, pixels: [UInt8](repeating: 7, count: 64))))
        for name in ["b.heic", "c.heic", "d.tif"] { _ = try folder.write("photos/\(name)", [1]) }
        let result = try curricle("stats", folder.file("photos"))
        #expect(result.code == 0 && result.output.contains("1 of 1 images") && result.errors.contains(".heic 2, .tif 1: not read"))
        let archive = try curricle("stats", folder.write("x.zip", [0x50, 0x4B, 3, 4, 20, 0]))
        #expect(archive.code == 2 && archive.lastError.contains("is a zip archive"))
    }
}
