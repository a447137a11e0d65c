import CurricleEngine
import CurricleStorage

/// An ONNX graph as it is built: nodes in order, and tensors that are written straight from where they come.
/// Field numbers: onnx/onnx.proto, IR version 8.
struct ONNXGraph {
    static let irVersion: UInt64 = 8
    static let operatorSet: UInt64 = 17
    /// What a protocol buffer may have.
    static let greatestSize = Int(Int32.max)

    enum Attribute {
        case integer(Int)
        case integers([Int])
        case float(Float)
    }

    /// A dimension of an input or output.
    enum Size {
        case known(Int)
        case named(String)
    }

    private enum DataType: UInt64 { case float = 1, int64 = 7 }
    private typealias Initializer = (header: [UInt8], byteCount: Int, bytes: () throws -> [UInt8])

    private var nodes = ProtocolBuffer()
    private var values = ProtocolBuffer()
    private var initializers: [Initializer] = []
    private var nodeCount = 0

    /// Appends a node of one result and gives the result's name.
    mutating func node(_ operation: String, _ inputs: [String], _ attributes: [(String, Attribute)] = [], result: String? = nil) -> String {
        let output = result ?? "\(operation.lowercased())_\(nodeCount)"
        nodeCount += 1
        let title = "\(operation)_\(nodeCount)"
        nodes.message(field: 1) { node in
            for input in inputs { node.text(field: 1, input) }
            node.text(field: 2, output)
            node.text(field: 3, title)
            node.text(field: 4, operation)
            for (name, value) in attributes { node.message(field: 5) { ONNXGraph.fill(&$0, name, value) } }
        }
        return output
    }

    private static func fill(_ attribute: inout ProtocolBuffer, _ name: String, _ value: Attribute) {
        attribute.text(field: 1, name)
        switch value {
        case .float(let value):
            attribute.fixed32(field: 2, value.bitPattern)
            attribute.varint(field: 20, 1)
        case .integer(let value):
            attribute.varint(field: 3, UInt64(bitPattern: Int64(value)))
            attribute.varint(field: 20, 2)
        case .integers(let values):
            for value in values { attribute.varint(field: 8, UInt64(bitPattern: Int64(value))) }
            attribute.varint(field: 20, 7)
        }
    }

    /// Appends a constant tensor of floats, read when the file is written.
    mutating func floats(_ name: String, _ shape: [Int], _ values: @escaping () throws -> [Float]) -> String {
        add(name, .float, shape, byteCount: shape.reduce(4, *)) { try values().withUnsafeBytes { Array($0) } }
        return name
    }

    mutating func integers(_ name: String, _ shape: [Int], _ values: [Int]) -> String {
        add(name, .int64, shape, byteCount: 8 * values.count) {
            values.flatMap { ProtocolBuffer.littleEndian(UInt64(bitPattern: Int64($0))) }
        }
        return name
    }

    private mutating func add(_ name: String, _ type: DataType, _ shape: [Int], byteCount: Int, _ bytes: @escaping () throws -> [UInt8]) {
        var header = ProtocolBuffer()
        for size in shape { header.varint(field: 1, UInt64(size)) }
        header.varint(field: 2, type.rawValue)
        header.text(field: 8, name)
        header.delimiter(field: 9, count: byteCount)
        initializers.append((header.bytes, byteCount, bytes))
    }

    mutating func input(_ name: String, _ shape: [Size]) { describe(field: 11, name, shape) }
    mutating func output(_ name: String, _ shape: [Size]) { describe(field: 12, name, shape) }

    private mutating func describe(field: Int, _ name: String, _ shape: [Size]) {
        values.message(field: field) { value in
            value.text(field: 1, name)
            value.message(field: 2) { type in
                type.message(field: 1) { tensor in
                    tensor.varint(field: 1, DataType.float.rawValue)
                    tensor.message(field: 2) { dimensions in
                        for size in shape {
                            dimensions.message(field: 1) { dimension in
                                switch size {
                                case .known(let count): dimension.varint(field: 1, UInt64(count))
                                case .named(let name): dimension.text(field: 2, name)
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Writes the model. Tensors are read one at a time.
    /// - Throws: `LearningError.file` for more than a protocol buffer holds, `FileError`, or what reading a tensor throws.
    func write(to path: String, name: String, metadata: [(String, String)]) throws {
        var title = ProtocolBuffer(), model = ProtocolBuffer()
        title.text(field: 2, name)
        let headers = initializers.map { initializer in
            var header = ProtocolBuffer()
            header.delimiter(field: 5, count: initializer.header.count + initializer.byteCount)
            return header.bytes + initializer.header
        }
        let graphSize =
            title.bytes.count + nodes.bytes.count + values.bytes.count + headers.reduce(0) { $0 + $1.count }
            + initializers.reduce(0) { $0 + $1.byteCount }
        guard graphSize < ONNXGraph.greatestSize - (1 << 16) else {
            throw LearningError.file(
                path: path,
                reason: "an ONNX file holds at most 2 GiB, and this model has \(ByteCount.text(graphSize)): export it as safetensors")
        }
        model.varint(field: 1, ONNXGraph.irVersion)
        model.text(field: 2, "curricle")
        model.message(field: 8) { $0.varint(field: 2, ONNXGraph.operatorSet) }
        for (key, value) in metadata {
            model.message(field: 14) { entry in
                entry.text(field: 1, key)
                entry.text(field: 2, value)
            }
        }
        model.delimiter(field: 7, count: graphSize)
        var file = try DurableFile(replacing: path)
        try file.write(model.bytes + nodes.bytes + title.bytes)
        for (header, initializer) in zip(headers, initializers) {
            try file.write(header)
            try file.write(try initializer.bytes())
        }
        try file.write(values.bytes)
        try file.publish()
    }
}
