import Foundation
import Testing
import CurricleVision

/// A run that is watched, runs that are compared, and images that are looked at, as a user meets them.
struct WatchTests {
    private func read(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    @Test("a page is written as epochs end, loads itself anew until the run is over, and several runs stand on one")
    func pages() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 40)
        func pretrain(_ name: String, _ words: String...) throws -> CommandResult {
            try curricle(["pretrain", "--data", data, "--output", folder.file(name)] + smallModel + words)
        }
        let part = try pretrain("a", "--epochs", "6", "--report", "--max-steps", "12", "--pictures", "2")
        #expect(part.code == 0 && part.errors.contains("30 updates") && part.errors.contains("after 1 epochs of warm-up"), "\(part.errors)")
        // Two epochs of five steps are over, and the page was left as it is when nobody runs.
        #expect(try !read(folder.file("a/report.html")).contains("location.reload"))
        let follow = try startCurricle(["report", folder.file("a"), "--follow", "-o", folder.file("live.html")])
        func wait(_ what: String, _ holds: () -> Bool) {
            for _ in 0..<600 where !holds() { usleep(100_000) }
            #expect(holds(), "\(what)")
        }
        wait("a live page") { (try? read(folder.file("live.html")).contains("location.reload")) == true }
        let rest = try curricle(
            "pretrain", "--data", data, "--output", folder.file("a"), "--resume", "--report", "--max-steps", "1000", "--pictures", "2")
        #expect(rest.code == 0, "\(rest.errors)")
        follow.waitUntilExit()
        #expect(follow.terminationStatus == 0)
        let page = try read(folder.file("live.html"))
        #expect(!page.contains("location.reload") && page.contains("6 of 6"))
        #expect(try !read(folder.file("a/report.html")).contains("location.reload"))
        // Of six epochs two pictures were asked for: the first epoch's, one on the way, the last one's.
        let pictures = try FileManager.default.contentsOfDirectory(atPath: folder.file("a/pictures")).filter { $0.hasSuffix(".png") }
            .sorted()
        #expect(pictures.first == "epoch-0001.png" && pictures.last == "epoch-0006.png" && pictures.count <= 3, "\(pictures)")
        let events = try #require(FileManager.default.contentsOfDirectory(atPath: folder.file("a")).first { $0.contains("tfevents") })
        let size = try #require(FileManager.default.attributesOfItem(atPath: folder.file("a/\(events)"))[.size] as? Int)
        #expect(size < 20_000, "pictures stand in the events too")

        #expect(try pretrain("b", "--epochs", "3", "--masking", "random").code == 0)
        let compared = try curricle("compare", folder.file("a"), folder.file("b"), "-o", folder.file("c.html"))
        #expect(compared.code == 0, "\(compared.errors)")
        let html = try read(folder.file("c.html"))
        for part in ["2 runs", "Settings that differ", "masking", "Reconstruction error", ">a<", ">b<"] {
            #expect(html.contains(part), "\(part)")
        }
        #expect(!html.contains(">seed<"))
        #expect(try curricle("compare", folder.file("a"), folder.file("nothing"), "-o", folder.file("d.html")).code == 2)
    }

    @Test("a signal is answered at once, with the step that is finished first") func signal() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 200), errors = Pipe()
        let process = try startCurricle(
            ["pretrain", "--data", data, "--output", folder.file("run")] + smallModel + ["--epochs", "100000"], errors: errors)
        waitForWeights(of: folder.file("run"))
        process.interrupt()
        // Read before it is waited for: a full pipe would hold it up.
        let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 130)
        #expect(said.contains("finishing step ") && said.contains(", then saving; again to stop at once"), "\(said.suffix(300))")
    }

    @Test("weights are inspected, labels come from a table, neighbours and near duplicates are found")
    func looks() throws {
        let folder = try Folder()
        // Six pictures of two kinds, one of them twice under another name.
        try FileManager.default.createDirectory(atPath: folder.file("pictures"), withIntermediateDirectories: true)
        for i in 0..<6 {
            let pixels = (0..<64 * 3).map { UInt8(truncatingIfNeeded: ($0 * (i % 2 == 0 ? 7 : 31) + i * 40) % 256) }
            try Data(encodePNG(PixelImage(width: 8, height: 8, channels: 3, pixels: pixels))).write(
                to: URL(fileURLWithPath: folder.file("pictures/\(i).png")))
        }
        try FileManager.default.copyItem(atPath: folder.file("pictures/2.png"), toPath: folder.file("twin.png"))
        var colour = smallModel
        colour[5] = "3"
        let made = try curricle(
            ["pretrain", "--data", folder.file("pictures"), "--output", folder.file("run")] + colour + ["--epochs", "2"])
        #expect(made.code == 0, "\(made.errors)")
        let inspected = try curricle("inspect", folder.file("run"))
        for part in ["width 16, depth 1, 2 heads", "encoder, decoder, masker", "pixels: mean [0.5]", "curricle.version: 1.1"] {
            #expect(inspected.output.contains(part), "\(part): \(inspected.output)\(inspected.errors)")
        }
        #expect(try curricle("inspect", folder.file("run"), "--instructions").lastError.contains("no program file"))

        let table = try folder.write(
            "labels.csv",
            Array(
                "id,file,label\r\n1,pictures/0.png,even\r\n2,\"pictures/1.png\",\"odd, really\"\n3,pictures/2.png,even\n4,pictures/3.png,\"odd, really\"\n"
                    .utf8))
        let plain = try folder.write("plain.csv", Array("pictures/4.png,even\npictures/5.png,\"odd, really\"\n".utf8))
        let judged = try curricle("knn", "--weights", folder.file("run"), "--train", table, "--test", plain, "-k", "1", "--json")
        #expect(judged.code == 0 && judged.output.contains("\"images\":2,\"classes\":2"), "\(judged.errors)\(judged.output)")
        let broken = try folder.write("broken.csv", Array("file,label\npictures/0.png,\"even\n".utf8))
        #expect(
            try curricle("knn", "--weights", folder.file("run"), "--train", broken, "--test", plain).lastError.contains(
                "broken.csv:2: a quote"))

        let found = try curricle(
            "neighbours", "--weights", folder.file("run"), "--data", folder.file("pictures"), "--query", folder.file("twin.png"), "-k", "2",
            "-o",
            folder.file("n.html"), "--json")
        #expect(
            found.code == 0 && found.output.contains("pictures/2.png") && found.output.contains("\"cosines\":[1.0,"),
            "\(found.errors)\(found.output)")
        #expect(try read(folder.file("n.html")).contains("1.000 · 2.png"))
        let twins = try curricle(
            "neighbours", "--weights", folder.file("run"), "--data", folder.file("pictures"), "--query", folder.file("pictures"),
            "--duplicates", "0.9999", "-o", folder.file("d.html"))
        #expect(twins.code == 0 && twins.output.contains("0 images of 6 have a near duplicate"), "\(twins.output)\(twins.errors)")
    }
}
