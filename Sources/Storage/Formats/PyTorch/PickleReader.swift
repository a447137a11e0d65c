/// Reads Python's pickle format, protocols 2 to 5, as far as `torch.save` writes it: data, and the few callables of
/// ``PickleCallable``. Anything else is refused, by name, before it could mean anything.
///
/// Opcodes: CPython, Lib/pickletools.py. Memory is bounded by the text: an opcode makes at most one node and copies no node.
struct PickleReader {
    typealias Failure = PyTorchFile.Failure

    /// Nodes that a pickle may have, and what its stack and memo may hold; a tensor takes some twenty.
    static let greatestCount = 1_000_000
    /// Dimensions that a tensor may have.
    static let greatestRank = 8

    private let bytes: [UInt8]
    private var position = 0
    private var nodes: [PickleNode] = []
    private var stack: [Int] = []
    /// Heights of the stack at which marks were set.
    private var marks: [Int] = []
    private var memo: [Int: Int] = [:]

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    static func read(_ bytes: [UInt8]) throws(Failure) -> Pickled {
        var reader = PickleReader(bytes)
        while true {
            guard let opcode = try reader.take(1).first else { throw .malformed("its pickle is cut off") }
            if opcode == 0x2E {  // STOP
                let root = try reader.pop()
                return Pickled(nodes: reader.nodes, root: root)
            }
            try reader.execute(opcode)
            let held = max(reader.nodes.count, reader.stack.count, reader.marks.count, reader.memo.count)
            guard held <= greatestCount else { throw .malformed("its pickle holds more than \(greatestCount) values") }
        }
    }

    private mutating func execute(_ opcode: UInt8) throws(Failure) {
        switch opcode {
        case 0x80:  // PROTO
            let version = try number(1)
            guard (2...5).contains(version) else { throw .malformed("its pickle has protocol \(version), not 2 to 5") }
        case 0x95: _ = try take(8)  // FRAME

        case 0x28: marks.append(stack.count)  // MARK
        case 0x30: _ = try pop()  // POP
        case 0x31: _ = try popMark()  // POP_MARK
        case 0x32: stack.append(try top())  // DUP

        case 0x4E: push(.none)  // NONE
        case 0x88: push(.boolean(true))  // NEWTRUE
        case 0x89: push(.boolean(false))  // NEWFALSE
        case 0x4A: push(.integer(Int(Int32(truncatingIfNeeded: try number(4)))))  // BININT
        case 0x4B: push(.integer(try number(1)))  // BININT1
        case 0x4D: push(.integer(try number(2)))  // BININT2
        case 0x8A: try pushLong(size: try number(1))  // LONG1
        case 0x8B: try pushLong(size: try number(4))  // LONG4
        case 0x47:  // BINFLOAT, big-endian
            let bits = try take(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            push(.real(Double(bitPattern: bits)))

        case 0x8C, 0x55: try pushText(size: try number(1))  // SHORT_BINUNICODE, SHORT_BINSTRING
        case 0x58, 0x54: try pushText(size: try number(4))  // BINUNICODE, BINSTRING
        case 0x8D: try pushText(size: try number(8))  // BINUNICODE8
        case 0x43: try pushBytes(size: try number(1))  // SHORT_BINBYTES
        case 0x42: try pushBytes(size: try number(4))  // BINBYTES
        case 0x8E, 0x96: try pushBytes(size: try number(8))  // BINBYTES8, BYTEARRAY8

        case 0x29: push(.tuple([]))  // EMPTY_TUPLE
        case 0x74: push(.tuple(try popMark()))  // TUPLE
        case 0x85, 0x86, 0x87: try pushTuple(count: Int(opcode) - 0x84)  // TUPLE1, TUPLE2, TUPLE3
        case 0x5D: push(.list(PickleItems()))  // EMPTY_LIST
        case 0x61: try append([try pop()])  // APPEND
        case 0x65: try append(try popMark())  // APPENDS
        case 0x7D: push(.dictionary(PickleItems()))  // EMPTY_DICT
        case 0x73:  // SETITEM
            let value = try pop(), key = try pop()
            try setItems([key, value])
        case 0x75: try setItems(try popMark())  // SETITEMS
        case 0x8F: push(.opaque)  // EMPTY_SET
        case 0x90: _ = try popMark()  // ADDITEMS
        case 0x91:  // FROZENSET
            _ = try popMark()
            push(.opaque)

        case 0x71: memo[try number(1)] = try top()  // BINPUT
        case 0x72: memo[try number(4)] = try top()  // LONG_BINPUT
        case 0x94: memo[memo.count] = try top()  // MEMOIZE
        case 0x68: try recall(try number(1))  // BINGET
        case 0x6A: try recall(try number(4))  // LONG_BINGET

        case 0x63:  // GLOBAL
            let module = try line(), name = try line()
            try pushCallable(module, name)
        case 0x93:  // STACK_GLOBAL
            let name = nodes[try pop()], module = nodes[try pop()]
            guard case .text(let moduleText) = module, case .text(let nameText) = name else {
                throw .malformed("its pickle names a callable by something that is no text")
            }
            try pushCallable(moduleText, nameText)
        case 0x52, 0x81:  // REDUCE, NEWOBJ
            let arguments = try pop(), callable = try pop()
            try call(callable, arguments)
        case 0x62:  // BUILD
            let state = try pop()
            try build(try top(), from: state)
        case 0x51: try pushStorage(try pop())  // BINPERSID
        default:
            throw .malformed("its pickle has the opcode \(opcode) at byte \(position - 1), which torch.save does not write")
        }
    }
}

// MARK: - Text and stack

extension PickleReader {
    private mutating func take(_ count: Int) throws(Failure) -> ArraySlice<UInt8> {
        guard count <= bytes.count - position else { throw .malformed("its pickle is cut off") }
        defer { position += count }
        return bytes[position..<(position + count)]
    }

    private func malformedSize() -> Failure { .malformed("its pickle has a size beyond 63 bits at byte \(position)") }

    /// An unsigned little-endian number of 1, 2, 4 or 8 bytes.
    private mutating func number(_ size: Int) throws(Failure) -> Int {
        let value = try take(size).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard let number = Int(exactly: value) else { throw malformedSize() }
        return number
    }

    /// Text up to the next line feed.
    private mutating func line() throws(Failure) -> String {
        guard let end = bytes[position...].firstIndex(of: 0x0A) else { throw .malformed("its pickle is cut off") }
        let text = try take(end - position)
        position += 1
        return String(decoding: text, as: UTF8.self)
    }

    private mutating func push(_ node: PickleNode) {
        stack.append(nodes.count)
        nodes.append(node)
    }

    private func top() throws(Failure) -> Int {
        guard let last = stack.last, stack.count > marks.last ?? 0 else { throw .malformed("its pickle takes more values than it made") }
        return last
    }

    private mutating func pop() throws(Failure) -> Int {
        let last = try top()
        stack.removeLast()
        return last
    }

    /// Everything above the last mark, which goes too.
    private mutating func popMark() throws(Failure) -> [Int] {
        guard let height = marks.popLast() else { throw .malformed("its pickle takes more values than it made") }
        let values = Array(stack[height...])
        stack.removeSubrange(height...)
        return values
    }

    private mutating func recall(_ key: Int) throws(Failure) {
        guard let number = memo[key] else { throw .malformed("its pickle recalls a value \(key) that it never stored") }
        stack.append(number)
    }
}

// MARK: - Values

extension PickleReader {
    /// A two's complement integer of any length.
    private mutating func pushLong(size: Int) throws(Failure) {
        let digits = try take(size)
        guard size <= 8 else { return push(.opaque) }
        let isNegative = (digits.last ?? 0) >= 0x80
        var value: UInt64 = isNegative ? .max : 0
        for byte in digits.reversed() { value = value << 8 | UInt64(byte) }
        push(.integer(Int(Int64(bitPattern: value))))
    }

    private mutating func pushText(size: Int) throws(Failure) { push(.text(String(decoding: try take(size), as: UTF8.self))) }

    /// Bytes: keys of a dictionary at times, so text where they are.
    private mutating func pushBytes(size: Int) throws(Failure) {
        let bytes = try take(size)
        push(size <= 4096 ? String(validating: bytes, as: UTF8.self).map { .text($0) } ?? .opaque : .opaque)
    }

    private mutating func pushTuple(count: Int) throws(Failure) {
        var values: [Int] = []
        for _ in 0..<count { values.append(try pop()) }
        push(.tuple(values.reversed()))
    }

    private mutating func append(_ values: [Int]) throws(Failure) {
        guard case .list(let items) = nodes[try top()] else { throw .malformed("its pickle appends to something that is no list") }
        items.numbers += values
    }

    private mutating func setItems(_ values: [Int]) throws(Failure) {
        guard case .dictionary(let items) = nodes[try top()], values.count % 2 == 0 else {
            throw .malformed("its pickle sets items of something that is no dictionary")
        }
        items.numbers += values
    }

    private mutating func pushCallable(_ module: String, _ name: String) throws(Failure) {
        guard let callable = PickleCallable(module: module, name: name) else { throw .refused("\(module).\(name)") }
        push(.callable(callable))
    }

    /// `("storage", type, key, place, count)` is the only persistent value of `torch.save`.
    private mutating func pushStorage(_ number: Int) throws(Failure) {
        guard case .tuple(let parts) = nodes[number], parts.count >= 5, case .text("storage") = nodes[parts[0]],
            case .callable(let type) = nodes[parts[1]], case .text(let key) = nodes[parts[2]]
        else { throw .malformed("its pickle refers to something that is no storage") }
        switch type {
        case .storage(let element): push(.storage(key: key, element: element))
        case .untypedStorage: push(.storage(key: key, element: nil))
        default: throw .malformed("its pickle refers to something that is no storage")
        }
    }

    private mutating func call(_ callable: Int, _ arguments: Int) throws(Failure) {
        guard case .callable(let function) = nodes[callable], case .tuple(let parts) = nodes[arguments] else {
            throw .malformed("its pickle calls something that is no callable")
        }
        switch function {
        case .orderedDictionary where parts.isEmpty: push(.dictionary(PickleItems()))
        case .namespace where parts.isEmpty: push(.namespace(PickleItems()))
        case .rebuildTensor: push(.tensor(try tensor(parts)))
        case .rebuildTypedTensor:
            guard parts.count >= 7, case .callable(.elementType(let element?)) = nodes[parts[6]] else {
                throw .malformed("its pickle has a tensor of an unknown type")
            }
            push(.tensor(try tensor(parts, element)))
        case .plain: push(.opaque)
        case .bytes:
            // Bytes are keys at times: as text, where they are.
            guard let first = parts.first, case .text(let text) = nodes[first] else { return push(.opaque) }
            push(.text(text))
        case .rebuildParameter:
            guard let first = parts.first, case .tensor(let tensor) = nodes[first] else {
                throw .malformed("its pickle has a parameter without a tensor")
            }
            push(.tensor(tensor))
        default: throw .malformed("its pickle calls \(function) in a way that torch.save does not")
        }
    }

    /// `_rebuild_tensor_v2(storage, offset, size, stride, …)`
    private func tensor(_ parts: [Int], _ type: TensorElement? = nil) throws(Failure) -> PickledTensor {
        guard parts.count >= 4, case .storage(let key, let stored) = nodes[parts[0]], case .integer(let offset) = nodes[parts[1]],
            let shape = integers(parts[2]), let strides = integers(parts[3]), shape.count == strides.count, let element = type ?? stored
        else { throw .malformed("its pickle has a tensor without storage, offset, size and stride") }
        return PickledTensor(storage: key, element: element, offset: offset, shape: shape, strides: strides)
    }

    private func integers(_ number: Int) -> [Int]? {
        guard case .tuple(let parts) = nodes[number], parts.count <= PickleReader.greatestRank else { return nil }
        var values: [Int] = []
        for part in parts {
            guard case .integer(let value) = nodes[part] else { return nil }
            values.append(value)
        }
        return values
    }

    /// A namespace becomes its attributes; an OrderedDict's (`_metadata` of a state dict) mean nothing here.
    private mutating func build(_ object: Int, from state: Int) throws(Failure) {
        switch (nodes[object], nodes[state]) {
        case (.namespace, .dictionary(let attributes)): nodes[object] = .namespace(attributes)
        case (.dictionary, _): break
        default: throw .malformed("its pickle sets the state of something that has none")
        }
    }
}
