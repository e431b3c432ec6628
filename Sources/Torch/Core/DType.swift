/// Element type of a tensor. Raw values are libtorch's `ScalarType`.
public enum DType: Int32, Sendable, CaseIterable, Codable {
    case uint8 = 0
    case int8 = 1
    case int16 = 2
    case int32 = 3
    case int64 = 4
    case float16 = 5
    case float32 = 6
    case float64 = 7
    case complex64 = 9
    case complex128 = 10
    case bool = 11
    case bfloat16 = 15

    /// Size of one element in bytes.
    public var byteCount: Int {
        switch self {
        case .uint8, .int8, .bool: 1
        case .int16, .float16, .bfloat16: 2
        case .int32, .float32: 4
        case .int64, .float64, .complex64: 8
        case .complex128: 16
        }
    }

    /// Whether the type is a real floating-point type.
    public var isFloatingPoint: Bool {
        switch self {
        case .float16, .float32, .float64, .bfloat16: true
        default: false
        }
    }
}

/// A Swift type that a tensor can be made of and read as.
public protocol TensorElement: Sendable {
    static var dtype: DType { get }
}

extension UInt8: TensorElement { public static let dtype = DType.uint8 }
extension Int32: TensorElement { public static let dtype = DType.int32 }
extension Int64: TensorElement { public static let dtype = DType.int64 }
extension Int: TensorElement { public static let dtype = DType.int64 }
extension Float: TensorElement { public static let dtype = DType.float32 }
extension Double: TensorElement { public static let dtype = DType.float64 }
