import Torch

/// What a latent diffusion model's weights are kept and computed in: a choice of users.
///
/// The two of 16 bits halve the memory. On CPUs without instructions for them they are many times slower than float32.
public enum ModelPrecision: String, Codable, Sendable, CaseIterable {
    /// Four bytes a number, the reference for all others.
    case float32
    /// Two bytes a number with float32's range and 8 bits of mantissa.
    case bfloat16
    /// Two bytes a number with 11 bits of mantissa; what most published models are stored in.
    case float16

    /// The tensors' type of the same name.
    public var dtype: DType {
        switch self {
        case .float32: .float32
        case .bfloat16: .bfloat16
        case .float16: .float16
        }
    }
}
