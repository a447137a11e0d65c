import CurricleGraph
import CurricleModels
import CurricleStorage

/// The encoder's graph as ONNX prints it: `pixel_values` [N, C, H, W], normalised, to `last_hidden_state` [N, 1 + L, D] after the
/// final norm (before `fc_norm`, where that is the last one). Float32; N is free.
struct ONNXEncoder {
    private let c: ModelConfiguration
    private let contents: CheckpointContents
    private let parameters: ModelParameters
    private let sources: [String: WeightsFile.Source]
    private var onnx = ONNXGraph()
    /// Small tensors that several nodes share, by what they hold.
    private var shared: [String: String] = [:]

    init(_ contents: CheckpointContents) {
        c = contents.description.model
        self.contents = contents
        parameters = ModelParameters(c, parts: .encoder)
        sources = Dictionary(contents.encoder.map { ($0.name, $0) }) { $1 }
    }

    /// - Throws: `GraphError` for an operation that is not printed here, `LearningError.file` for too large a model, `FileError`, or what
    ///   reading a tensor throws.
    consuming func write(to path: String) throws {
        var builder = ModelBuilder(c, parameters: parameters, images: 1, encoderPosition: contents.encoderPosition)
        try add(builder.hiddenState())
        let pixels = contents.description.normalization
        func list(_ values: [Float]) -> String { values.map(\.description).joined(separator: ",") }
        let model = contents.metadata["curricle.model"] ?? ""
        let metadata = [("curricle.model", model), ("mean", list(pixels.mean)), ("std", list(pixels.std))]
        try onnx.write(to: path, name: "encoder", metadata: metadata)
    }

    /// - Parameter graph: of one image; what its first extent is, ONNX's `batch` is.
    private mutating func add(_ graph: Graph) throws {
        var names: [ValueID: String] = [:]
        for node in graph.nodes {
            let inputs = node.inputs.compactMap { names[$0] }
            guard inputs.count == node.inputs.count else {
                throw GraphError(operation: node.operation.text, problem: "reads what has no form in ONNX here")
            }
            names[node.outputs[0]] = try describe(node, inputs, graph)  // what further outputs there are, training needs
        }
        for result in graph.results {
            guard let name = names[result.value] else {
                throw GraphError(operation: "result \(result.name)", problem: "has no form in ONNX here")
            }
            let sizes = graph.shape(result.value).dropFirst().map { ONNXGraph.Size.known($0) }
            onnx.output(onnx.node("Identity", [name], result: result.name), [.named("batch")] + sizes)
        }
    }

    /// Nodes of an operation on named inputs.
    /// - Returns: the name of its first output.
    private mutating func describe(_ node: Node, _ x: [String], _ graph: Graph) throws -> String {
        func shape(_ input: Int) -> [Int] { graph.shape(node.inputs[input]) }
        switch node.operation {
        case .input(.patches): return patches()
        case .parameter(let slice) where slice.isWhole: return try weight(slice.parameter)
        case .constant(let name):
            guard let values = graph.constants[name] else { break }
            return onnx.floats(name, graph.shape(node.outputs[0])) { values }
        case .linear(LinearForm(bias: true)):
            return onnx.node("Add", [onnx.node("MatMul", [x[0], x[1]]), x[2]])
        case .attention(let heads, _) where x.count == 1:
            return attention(x[0], heads: heads, width: shape(0)[2] / 3)
        case .layerNorm(let epsilon, _, _):
            return onnx.node("LayerNormalization", x, [("axis", .integer(-1)), ("epsilon", .float(epsilon))])
        case .gelu:  // x · (1 + erf(x / √2)) / 2
            let error = onnx.node("Erf", [onnx.node("Mul", [x[0], scalar(Float(0.5.squareRoot()))])])
            return onnx.node("Mul", [x[0], onnx.node("Mul", [onnx.node("Add", [error, scalar(1)]), scalar(0.5)])])
        case .add where shape(0).suffix(shape(1).count) == shape(1)[...]:
            return onnx.node("Add", x)
        case .prependRow:  // the token once for each image
            let images = onnx.node("Shape", [x[0]], [("start", .integer(0)), ("end", .integer(1))])
            let tokens = onnx.node("Expand", [x[1], onnx.node("Concat", [images, integers([1, shape(0)[2]])], [("axis", .integer(0))])])
            return onnx.node("Concat", [tokens, x[0]], [("axis", .integer(1))])
        default: break
        }
        throw GraphError(operation: node.operation.text, problem: "has no form in ONNX here")
    }

    /// Patches [N, L, P], each (row, column, channel), of the images.
    private mutating func patches() -> String {
        onnx.input("pixel_values", [.named("batch"), .known(c.channels), .known(c.imageHeight), .known(c.imageWidth)])
        let split = onnx.node("Reshape", ["pixel_values", integers([0, c.channels, c.gridRows, c.patchSize, c.gridColumns, c.patchSize])])
        let ordered = onnx.node("Transpose", [split], [("perm", .integers([0, 2, 4, 3, 5, 1]))])
        return onnx.node("Reshape", [ordered, integers([0, c.patches, c.patchWidth])])
    }

    private mutating func attention(_ qkv: String, heads: Int, width: Int) -> String {
        // [N, T, 3D] → [3, N, heads, T, D / heads]
        let split = onnx.node("Reshape", [qkv, integers([0, 0, 3, heads, width / heads])])
        let all = onnx.node("Transpose", [split], [("perm", .integers([2, 0, 3, 1, 4]))])
        let parts = (0..<3).map { onnx.node("Gather", [all, integer($0)], [("axis", .integer(0))]) }
        let query = onnx.node("Mul", [parts[0], scalar(1 / Float(width / heads).squareRoot())])
        let key = onnx.node("Transpose", [parts[1]], [("perm", .integers([0, 1, 3, 2]))])
        let probabilities = onnx.node("Softmax", [onnx.node("MatMul", [query, key])], [("axis", .integer(-1))])
        let mixed = onnx.node("Transpose", [onnx.node("MatMul", [probabilities, parts[2]])], [("perm", .integers([0, 2, 1, 3]))])
        return onnx.node("Reshape", [mixed, integers([0, 0, width])])
    }

    /// A parameter as it is computed with; a matrix [out, in] as [in, out], which MatMul wants.
    private mutating func weight(_ parameter: Parameter) throws -> String {
        guard let source = sources[parameter.name], let described = parameters[parameter.name] else {
            throw TensorFileError.missingTensor(path: contents.path, name: parameter.name)
        }
        guard parameter.shape.count == 2 else { return onnx.floats(parameter.name, parameter.shape, source.values) }
        let rows = parameter.shape[0], columns = parameter.shape[1]
        return onnx.floats(parameter.name, [columns, rows]) {
            let values = described.fromReference(try source.values())
            return (0..<(rows * columns)).map { values[$0 % rows * columns + $0 / rows] }
        }
    }

    private mutating func scalar(_ value: Float) -> String {
        once("scalar_\(value)") { $0.floats($1, [], { [value] }) }
    }
    private mutating func integer(_ value: Int) -> String {
        once("integer_\(value)") { $0.integers($1, [], [value]) }
    }
    private mutating func integers(_ values: [Int]) -> String {
        once("integers_" + values.map(String.init).joined(separator: "_")) { $0.integers($1, [values.count], values) }
    }

    private mutating func once(_ name: String, _ define: (inout ONNXGraph, String) -> String) -> String {
        if let known = shared[name] { return known }
        let made = define(&onnx, name)
        shared[name] = made
        return made
    }
}
