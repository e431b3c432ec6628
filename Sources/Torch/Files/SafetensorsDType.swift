/// The element types of stored tensors, under the names that safetensors uses.
///
/// They are listed in the order of the reference implementation (by alignment), which a writer sorts by.
public enum SafetensorsDType: String, CaseIterable, Comparable, Sendable {
    /// Truth values of one byte each, 0 or 1.
    case bool = "BOOL"
    /// Unsigned numbers of 8 bits.
    case uint8 = "U8"
    /// Signed numbers of 8 bits.
    case int8 = "I8"
    /// Floating point of 8 bits: 5 of exponent, 2 of mantissa. Listed, but not turned into tensors.
    case float8e5m2 = "F8_E5M2"
    /// Floating point of 8 bits: 4 of exponent, 3 of mantissa. Listed, but not turned into tensors.
    case float8e4m3 = "F8_E4M3"
    /// Powers of two in 8 bits, the scales of block formats. Listed, but not turned into tensors.
    case float8e8m0 = "F8_E8M0"
    /// Signed numbers of 16 bits.
    case int16 = "I16"
    /// Unsigned numbers of 16 bits. Listed, but not turned into tensors.
    case uint16 = "U16"
    /// IEEE half precision, 2 bytes.
    case float16 = "F16"
    /// The upper half of float32, 2 bytes.
    case bfloat16 = "BF16"
    /// Signed numbers of 32 bits.
    case int32 = "I32"
    /// Unsigned numbers of 32 bits. Listed, but not turned into tensors.
    case uint32 = "U32"
    /// IEEE single precision, 4 bytes.
    case float32 = "F32"
    /// Complex numbers of two float32, 8 bytes.
    case complex64 = "C64"
    /// IEEE double precision, 8 bytes.
    case float64 = "F64"
    /// Signed numbers of 64 bits.
    case int64 = "I64"
    /// Unsigned numbers of 64 bits. Listed, but not turned into tensors.
    case uint64 = "U64"

    /// Size of one element in bytes: 1, 2, 4 or 8.
    public var size: Int {
        switch self {
        case .bool, .uint8, .int8, .float8e5m2, .float8e4m3, .float8e8m0: 1
        case .int16, .uint16, .float16, .bfloat16: 2
        case .int32, .uint32, .float32: 4
        case .complex64, .float64, .int64, .uint64: 8
        }
    }

    /// Whether the left type is aligned less strictly; among the same alignment, the reference's order.
    public static func < (left: Self, right: Self) -> Bool { left.rank < right.rank }

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    /// Bytes that a dense tensor of this type and `shape` takes, or nil if that is more than `Int` can hold.
    func byteCount(_ shape: [Int]) -> Int? {
        var count = size
        var isEmpty = false
        for dimension in shape {
            guard dimension >= 0 else { return nil }
            if dimension == 0 { isEmpty = true }
            let (product, overflow) = count.multipliedReportingOverflow(by: max(dimension, 1))
            guard !overflow else { return nil }
            count = product
        }
        return isEmpty ? 0 : count
    }
}
