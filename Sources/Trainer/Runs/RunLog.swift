import CurricleEngine
import Foundation

/// What a run's `log.jsonl` holds: steps, and epochs as their means.
package struct RunLog {
    /// Numbers by name; `kept_share` apart, as it is a list.
    package struct Line {
        package let numbers: [String: Double]
        package let keptShare: [Double]
        package let text: [String: String]
    }
    package let steps: [Line]
    package let epochs: [Line]

    /// - Throws: `LearningError.file` where there is no log, or nothing in it.
    package init(path: String) throws {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw LearningError.file(path: path, reason: "cannot be read: pass the folder of a run")
        }
        var steps: [Line] = [], epochs: [Line] = []
        for row in text.split(separator: "\n") {
            guard let object = try? JSONSerialization.jsonObject(with: Data(row.utf8)) as? [String: Any] else { continue }
            let line = Line(
                numbers: object.compactMapValues { ($0 as? NSNumber)?.doubleValue }.filter { $0.value.isFinite },
                keptShare: object["kept_share"] as? [Double] ?? [], text: object.compactMapValues { $0 as? String })
            if object["time_s"] != nil { epochs.append(line) } else if object["lr"] != nil { steps.append(line) }
        }
        guard !steps.isEmpty else { throw LearningError.file(path: path, reason: "holds no steps: the run has not begun") }
        self.steps = steps
        self.epochs = epochs
    }

    /// λ is constant over an epoch: the first step's of each, with the epoch's number from 1.
    package var curriculum: [(epoch: Int, factor: Double)] {
        var points: [(epoch: Int, factor: Double)] = []
        for line in steps {
            guard let epoch = line.numbers["epoch"].flatMap({ Int(exactly: $0) }), let factor = line.numbers["lambda_cl"],
                points.last?.epoch != epoch + 1
            else { continue }
            points.append((epoch + 1, factor))
        }
        return points
    }

    /// (x, y) of a number over the epochs, from 1; or over the steps where there are fewer than two epochs of it.
    package func curve(_ name: String, orSteps stepName: String? = nil) -> [(x: Double, y: Double)] {
        let byEpoch = epochs.compactMap { line in line.numbers[name].flatMap { y in line.numbers["epoch"].map { ($0 + 1, y) } } }
        if byEpoch.count > 1 || stepName == nil { return byEpoch }
        return steps.compactMap { line in line.numbers[stepName ?? name].flatMap { y in line.numbers["step"].map { ($0, y) } } }
    }
}
