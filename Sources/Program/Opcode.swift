import CurricleCInstructions

/// The kernels there are, as the registry numbers them (`CSupport/instructions/registry.inc`).
public typealias Opcode = curricle_opcode

extension curricle_opcode: @retroactive CaseIterable, @retroactive CustomStringConvertible {
    public static var allCases: [Opcode] { (0..<UInt32(CURRICLE_OPCODES)).compactMap(Opcode.init(rawValue:)) }

    /// The kernel's name in the registry.
    public var description: String { String(cString: curricle_names_of(self).name) }

    /// Names of operands, sizes and reals in order; those of operands that may be absent end in a question mark.
    package var fields: (operands: [String], sizes: [String], reals: [String]) {
        let names = curricle_names_of(self)
        func list(_ text: UnsafePointer<CChar>) -> [String] { String(cString: text).split(separator: " ").map(String.init) }
        return (list(names.operands), list(names.sizes), list(names.reals))
    }
}
