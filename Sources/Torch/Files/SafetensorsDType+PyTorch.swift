extension SafetensorsDType {
    /// The type whose PyTorch storage class has this name (`FloatStorage`).
    init?(storageName: String) {
        switch storageName {
        case "BoolStorage": self = .bool
        case "ByteStorage": self = .uint8
        case "CharStorage": self = .int8
        case "ShortStorage": self = .int16
        case "IntStorage": self = .int32
        case "LongStorage": self = .int64
        case "HalfStorage": self = .float16
        case "BFloat16Storage": self = .bfloat16
        case "FloatStorage": self = .float32
        case "DoubleStorage": self = .float64
        case "ComplexFloatStorage": self = .complex64
        default: return nil
        }
    }

    /// The type that PyTorch calls `torch.<torchName>`.
    init?(torchName: String) {
        switch torchName {
        case "bool": self = .bool
        case "uint8": self = .uint8
        case "int8": self = .int8
        case "int16": self = .int16
        case "uint16": self = .uint16
        case "int32": self = .int32
        case "uint32": self = .uint32
        case "int64": self = .int64
        case "uint64": self = .uint64
        case "float16": self = .float16
        case "bfloat16": self = .bfloat16
        case "float32": self = .float32
        case "float64": self = .float64
        case "complex64": self = .complex64
        case "float8_e5m2": self = .float8e5m2
        case "float8_e4m3fn": self = .float8e4m3
        case "float8_e8m0fnu": self = .float8e8m0
        default: return nil
        }
    }
}
