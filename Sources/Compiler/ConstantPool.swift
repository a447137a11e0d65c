/// Constants of all programs of a session: each name is stored once.
public struct ConstantPool: Sendable {
    public private(set) var values: [Float] = []
    private var offsets: [String: Int] = [:]
    public init() {}

    public var bytes: Int { values.count * 4 }

    mutating func place(_ name: String, _ contents: [Float]) -> Int {
        if let offset = offsets[name] { return offset }
        let offset = bytes
        offsets[name] = offset
        values += contents
        values += Array(repeating: 0, count: (16 - values.count % 16) % 16)
        return offset
    }
}
