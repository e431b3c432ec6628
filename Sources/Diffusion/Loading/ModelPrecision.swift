import Torch

/// What a latent diffusion model's weights are kept and computed in: a choice of users.
///
/// The two of 16 bits halve the memory. On CPUs without instructions for them they are many times slower than float32.
public enum ModelPrecision: String, Codable, Sendable, CaseIterable {
    case float32, bfloat16, float16

    public var dtype: DType {
        switch self {
        case .float32: .float32
        case .bfloat16: .bfloat16
        case .float16: .float16
        }
    }
}
