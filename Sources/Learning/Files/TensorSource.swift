/// Named tensors of a file, whatever its format: safetensors (``TensorFile``), PyTorch's own (``PyTorchFile``), or either of
/// them under the reference's names (``Checkpoint``).
public protocol TensorSource {
    var path: String { get }
    /// What the file says beside its tensors.
    var metadata: [String: String] { get }
    /// What is known of the model beside its tensors' shapes.
    var facts: ModelFacts { get }
    /// Names of all tensors, sorted.
    var names: [String] { get }
    /// Sizes, slowest first; nil if there is no such tensor.
    func shape(of name: String) -> [Int]?
    /// A tensor's elements, row-major.
    /// - Throws: if there is no such tensor, its type is none of floating point, or the file is damaged.
    func floats(_ name: String) throws -> [Float]
}

extension TensorSource {
    public var facts: ModelFacts { ModelFacts() }
}

extension TensorFile: TensorSource {
    public func shape(of name: String) -> [Int]? { tensors[name]?.shape }
}
