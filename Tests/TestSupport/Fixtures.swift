import Foundation

/// The path of a file of Tests/Fixtures.
package func fixture(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Fixtures/\(name)").path
}

/// The path of a file made by tools/make_checkpoint_fixtures.py.
package func checkpointFixture(_ name: String) -> String { fixture("checkpoints/\(name)") }
