/// The only callables of a pickle that are interpreted; there is no way to call any other.
enum PickleCallable: Equatable {
    case rebuildTensor
    case rebuildParameter
    case orderedDictionary
    case namespace
    /// `torch.FloatStorage` and its like: names of element types, never called.
    case storage(TensorElement)
    /// `torch.storage.UntypedStorage`: its tensors say their type.
    case untypedStorage
    /// `_rebuild_tensor_v3`, as newer types are written.
    case rebuildTypedTensor
    /// `torch.float32` and its like; nil for a type that no tensor here has.
    case elementType(TensorElement?)
    /// `torch.Size`, `torch.device`, `set` and their like: what they make is kept apart, and never looked into.
    case plain
    /// `_codecs.encode`, by which older protocols write bytes.
    case bytes

    init?(module: String, name: String) {
        switch (module, name) {
        case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
        case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
        case ("collections", "OrderedDict"): self = .orderedDictionary
        case ("argparse", "Namespace"): self = .namespace
        case ("torch._utils", "_rebuild_tensor_v3"): self = .rebuildTypedTensor
        case ("torch.storage", "UntypedStorage"): self = .untypedStorage
        case ("torch", "Size"), ("torch", "device"), ("torch.serialization", "_get_layout"): self = .plain
        case ("builtins", _), ("__builtin__", _):
            guard ["set", "frozenset", "complex", "bytearray"].contains(name) else { return nil }
            self = .plain
        case ("collections", "Counter"): self = .plain
        case ("_codecs", "encode"): self = .bytes
        case ("torch", _):
            if let element = PickleCallable.storages[name] {
                self = .storage(element)
            } else if let element = PickleCallable.types[name] {
                self = .elementType(element)
            } else if ["complex32", "complex128"].contains(name) {
                self = .elementType(nil)
            } else {
                return nil
            }
        default: return nil
        }
    }

    private static let storages: [String: TensorElement] = [
        "FloatStorage": .float32, "HalfStorage": .float16, "BFloat16Storage": .bfloat16, "DoubleStorage": .float64,
        "LongStorage": .signed64, "IntStorage": .signed32, "ShortStorage": .signed16, "CharStorage": .signed8,
        "ByteStorage": .unsigned8, "BoolStorage": .bool
    ]
    private static let types: [String: TensorElement] = [
        "float32": .float32, "float16": .float16, "bfloat16": .bfloat16, "float64": .float64, "int64": .signed64, "int32": .signed32,
        "int16": .signed16,
        "int8": .signed8, "uint8": .unsigned8, "uint16": .unsigned16, "uint32": .unsigned32, "uint64": .unsigned64, "bool": .bool,
        "float8_e4m3fn": .float8E4M3, "float8_e5m2": .float8E5M2, "float8_e4m3fnuz": .float8E4M3FNUZ, "float8_e5m2fnuz": .float8E5M2FNUZ,
        "float8_e8m0fnu": .float8E8M0, "complex64": .complex64
    ]
}

/// A tensor as a pickle describes it: a view of a storage. Nothing is checked yet but that the counts agree.
struct PickledTensor {
    /// The storage's entry is `data/KEY`.
    let storage: String
    let element: TensorElement
    /// In elements, as are the strides.
    let offset: Int
    let shape: [Int]
    let strides: [Int]
}

/// A value of a pickle. Containers hold numbers of other nodes, never nodes: then no file, however deep or circular, can
/// make anything recurse.
enum PickleNode {
    case none
    case boolean(Bool)
    case integer(Int)
    case real(Double)
    case text(String)
    case tuple([Int])
    case list(PickleItems)
    /// Keys and values in turn.
    case dictionary(PickleItems)
    /// An `argparse.Namespace`, as a dictionary.
    case namespace(PickleItems)
    case callable(PickleCallable)
    /// Its element is nil where the tensors say it.
    case storage(key: String, element: TensorElement?)
    case tensor(PickledTensor)
    /// Bytes, sets and integers beyond 64 bits: kept apart, never looked into.
    case opaque
}

/// What a list or dictionary holds: several nodes may refer to it while it grows.
final class PickleItems {
    var numbers: [Int] = []
}

/// A pickle's values, once read.
struct Pickled {
    let nodes: [PickleNode]
    let root: Int

    /// The named values of a dictionary or namespace, in the file's order; nil for anything else.
    func named(_ number: Int) -> [(name: String, value: Int)]? {
        let items: PickleItems
        switch nodes[number] {
        case .dictionary(let found), .namespace(let found): items = found
        default: return nil
        }
        return stride(from: 0, to: items.numbers.count - 1, by: 2).compactMap { i in
            guard case .text(let name) = nodes[items.numbers[i]] else { return nil }
            return (name, items.numbers[i + 1])
        }
    }

    /// A number, text or truth value, as Python would print it; nil for anything else.
    func printed(_ number: Int) -> String? {
        switch nodes[number] {
        case .none: "None"
        case .boolean(let value): value ? "True" : "False"
        case .integer(let value): String(value)
        case .real(let value): value.description
        case .text(let value): value
        default: nil
        }
    }
}
