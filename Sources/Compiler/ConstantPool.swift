import CurricleTensors
/// Constants of all programs of a session: each name is stored once.
package struct ConstantPool: Sendable {
    package private(set) var values: [Float] = []
    private var offsets: [String: Int] = [:]
    /// Floats that each begins at a multiple of.
    private let alignment = 16
    package init() {}

    package var bytes: Int { values.count * ElementType.float32.bytes }

    mutating func place(_ name: String, _ contents: [Float]) -> Int {
        if let offset = offsets[name] { return offset }
        let offset = bytes
        offsets[name] = offset
        values += contents
        values += Array(repeating: 0, count: -values.count & (alignment - 1))
        return offset
    }
}
