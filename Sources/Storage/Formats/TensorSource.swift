/// Named tensors of a file, whatever its format: safetensors (``TensorFile``), or PyTorch's own (``PyTorchFile``).
package protocol TensorSource {
    var path: String { get }
    /// What the file says beside its tensors.
    var metadata: [String: String] { get }
    /// Names of all tensors, sorted.
    var names: [String] { get }
    /// Sizes, slowest first; nil if there is no such tensor.
    func shape(of name: String) -> [Int]?
    /// A tensor's elements, row-major.
    /// - Throws: if there is no such tensor, its type is none of floating point, or the file is damaged.
    func floats(_ name: String) throws -> [Float]
}

extension TensorFile: TensorSource {
    package func shape(of name: String) -> [Int]? { tensors[name]?.shape }
}
