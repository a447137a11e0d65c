import Foundation

/// A log's lines without the times at their ends.
package func logWithoutTimes(_ path: String) throws -> [String] {
    try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map { line in
        line.range(of: ",\"time_s\"").map { String(line[..<$0.lowerBound]) } ?? String(line)
    }
}
