import Foundations
import Torch

/// What a latent diffusion model's weights are kept and computed in: a choice of users.
///
/// The two of 16 bits halve the memory. On CPUs bfloat16 takes half of float32's time where there are instructions for it
/// (AVX-512-BF16), and is refused where there are none; float16 is for GPUs, and many times slower on CPUs.
public enum ModelPrecision: String, Codable, Sendable, CaseIterable {
    /// Four bytes a number, the reference for all others.
    case float32
    /// Two bytes a number with float32's range and 8 bits of mantissa.
    ///
    /// With the embedded model, latent distillation's curves (their autoencoder stays in float32), the U-Net's features and contents
    /// in the latent space are within 2 % of float32's, styles within 1 %, and candidates of 20 steps within 2 of 255 levels on
    /// average.
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

    /// The type that a model is computed in on a device.
    /// - Parameter hasBFloat16: whether the processor has instructions for bfloat16.
    /// - Throws: `UserError` for bfloat16 on a processor without.
    public func dtype(on device: Device, hasBFloat16: Bool = Machine.hasBFloat16) throws -> DType {
        guard self != .bfloat16 || device != .cpu || hasBFloat16 else {
            throw UserError(
                "bfloat16: this processor has no instructions for it (AVX-512-BF16) and would take many times as long as in "
                    + "float32; choose float32 as the model's precision")
        }
        return dtype
    }
}
