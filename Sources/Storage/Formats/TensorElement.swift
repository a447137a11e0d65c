/// The element types of safetensors files, in the order of the reference implementation (by alignment, then as listed):
/// its writer sorts tensors by this order, descending.
package enum TensorElement: String, Sendable, CaseIterable, Comparable {
    case bool = "BOOL"
    case float4 = "F4"
    case float6E2M3 = "F6_E2M3"
    case float6E3M2 = "F6_E3M2"
    case unsigned8 = "U8"
    case signed8 = "I8"
    case float8E5M2 = "F8_E5M2"
    case float8E4M3 = "F8_E4M3"
    case float8E8M0 = "F8_E8M0"
    case float8E4M3FNUZ = "F8_E4M3FNUZ"
    case float8E5M2FNUZ = "F8_E5M2FNUZ"
    case signed16 = "I16"
    case unsigned16 = "U16"
    case float16 = "F16"
    case bfloat16 = "BF16"
    case signed32 = "I32"
    case unsigned32 = "U32"
    case float32 = "F32"
    case complex64 = "C64"
    case float64 = "F64"
    case signed64 = "I64"
    case unsigned64 = "U64"

    /// Bits an element takes.
    package var bits: Int {
        switch self {
        case .float4: 4
        case .float6E2M3, .float6E3M2: 6
        case .bool, .unsigned8, .signed8, .float8E5M2, .float8E4M3, .float8E8M0, .float8E4M3FNUZ, .float8E5M2FNUZ: 8
        case .signed16, .unsigned16, .float16, .bfloat16: 16
        case .signed32, .unsigned32, .float32: 32
        case .complex64, .float64, .signed64, .unsigned64: 64
        }
    }

    /// Place in the reference's order.
    var rank: Int { TensorElement.allCases.firstIndex(of: self) ?? 0 }

    package static func < (left: TensorElement, right: TensorElement) -> Bool { left.rank < right.rank }

    /// Bytes of a tensor of this type.
    /// - Returns: nil if the count overflows, a size is negative, or the elements do not fill whole bytes.
    package func byteCount(of shape: [Int]) -> Int? {
        var bitCount = 1
        for size in shape + [bits] {
            guard size >= 0 else { return nil }
            let (product, overflow) = bitCount.multipliedReportingOverflow(by: size)
            guard !overflow else { return nil }
            bitCount = product
        }
        return bitCount % 8 == 0 ? bitCount / 8 : nil
    }
}

/// What a safetensors file says of one tensor.
package struct TensorEntry: Sendable, Equatable {
    package let element: TensorElement
    /// Sizes, slowest first; `[]` for a single number.
    package let shape: [Int]
    /// Where its bytes lie, counted from the beginning of the file.
    package let byteRange: Range<Int>

    /// How many elements it holds.
    package var count: Int { shape.reduce(1, *) }
}
