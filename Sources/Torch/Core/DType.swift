/// Element type of a tensor. Raw values are libtorch's `ScalarType`.
public enum DType: Int32, Sendable, CaseIterable, Codable {
    /// Unsigned bytes, 0…255 (PyTorch's `torch.uint8`).
    case uint8 = 0
    /// Signed bytes, −128…127 (`torch.int8`).
    case int8 = 1
    /// Signed numbers of 16 bits (`torch.int16`).
    case int16 = 2
    /// Signed numbers of 32 bits (`torch.int32`).
    case int32 = 3
    /// Signed numbers of 64 bits: labels and indices (`torch.int64`).
    case int64 = 4
    /// IEEE half precision: 11 bits of mantissa, 65,504 at most (`torch.float16`).
    case float16 = 5
    /// IEEE single precision, the default everywhere (`torch.float32`).
    case float32 = 6
    /// IEEE double precision (`torch.float64`).
    case float64 = 7
    /// Complex numbers of two float32, as Fourier transforms give them (`torch.complex64`).
    case complex64 = 9
    /// Complex numbers of two float64 (`torch.complex128`).
    case complex128 = 10
    /// Truth values of one byte, as comparisons give them (`torch.bool`).
    case bool = 11
    /// The range of float32 with 8 bits of mantissa (`torch.bfloat16`).
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
    /// The element type of tensors that are made of values of this Swift type.
    static var dtype: DType { get }
}

extension UInt8: TensorElement {
    /// Bytes become ``DType/uint8``.
    public static let dtype = DType.uint8
}
extension Int32: TensorElement {
    /// Numbers of 32 bits become ``DType/int32``.
    public static let dtype = DType.int32
}
extension Int64: TensorElement {
    /// Numbers of 64 bits become ``DType/int64``.
    public static let dtype = DType.int64
}
extension Int: TensorElement {
    /// Whole numbers become ``DType/int64``, as in PyTorch.
    public static let dtype = DType.int64
}
extension Float: TensorElement {
    /// Single precision becomes ``DType/float32``.
    public static let dtype = DType.float32
}
extension Double: TensorElement {
    /// Double precision becomes ``DType/float64``; PyTorch would make float32 of a Python number.
    public static let dtype = DType.float64
}
