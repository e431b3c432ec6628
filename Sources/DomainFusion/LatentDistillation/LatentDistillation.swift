import Diffusion
import DomainGeneralization
import Foundations
import Torch

/// The gradient of latent distillation with respect to the confidence of each image.
///
/// The classifier's parameters enter LD through one scalar an image, p, so the whole of it is
/// `g = w(t)·⟨ε̂ − ε, ∂z/∂p⟩ / dim(z)`: minimising `Σ g·p` with g held constant is LD (DomainFusion, ECCV 2024).
public struct LatentDistillation {
    /// The frozen diffusion model.
    public let denoiser: FrozenDenoiser
    /// The settings of the loss.
    public let settings: LatentDistillationSettings

    /// Latent distillation by a frozen model.
    public init(_ denoiser: FrozenDenoiser, _ settings: LatentDistillationSettings) {
        self.denoiser = denoiser
        self.settings = settings
    }

    /// Checks that a model's precision does for these settings.
    /// - Throws: `UserError` for a model whose rounding drowns the differences in p: of ∂z/∂p a third to nine tenths are
    ///   rounding with the embedded model's VAE in bfloat16, a tenth in float16.
    public static func check(_ model: LatentDiffusionModel, _ settings: LatentDistillationSettings) throws {
        func isNarrow(_ dtype: DType) -> Bool { dtype == .float16 || dtype == .bfloat16 }
        guard !isNarrow(model.vae.store.dtype) else {
            throw UserError("latent distillation needs the VAE in float32; load the model with vaeDType: .float32")
        }
        guard settings.objective == .distillation || !isNarrow(model.dtype) else {
            throw UserError(
                "latent distillation with objective full needs the model in float32: set ldmDtype to float32")
        }
    }

    /// Step of the central differences in p: as small as the type's rounding allows.
    private var difference: Double { denoiser.model.dtype == .float64 ? 1e-5 : 4e-3 }

    /// g [N] without autograd through the LDM: VAE and U-Net run in inference mode and no activation is kept.
    /// - Parameters:
    ///   - images: [N, 3, H, W] in [0, 1].
    ///   - context: states of the label prompts [N, tokens, width].
    ///   - confidence: p [N] in [0, 1].
    public func gradient(_ images: Tensor, context: Tensor, confidence: Tensor, draw: NoiseDraw) -> Tensor {
        inferenceMode {
            inParts(images.size(0)) { part in
                let (latents, derivative, ends) = trajectory(images[part], confidence: confidence[part])
                return gradient(
                    latents, derivative: derivative, ends: ends, context: context[part], draw: draw.part(part))
            }
        }.cloned()  // outside inference mode: the loss multiplies it with p
    }

    /// What `body` gives for parts of 0..<count, one after the other: since no image's gradient depends on another's,
    /// the LDM never needs memory for more images than a part has.
    func inParts(_ count: Int, _ body: (Range<Int>) -> Tensor) -> Tensor {
        // Twice as many are encoded at a time.
        let size = min(16, max(1, denoiser.model.batchLimit / 2))
        return .concatenated(stride(from: 0, to: count, by: size).map { body($0..<min($0 + size, count)) })
    }

    /// z(p), its derivative in p, and z at p ± h, by two encoder passes in one batch.
    func trajectory(_ images: Tensor, confidence: Tensor) -> (latents: Tensor, derivative: Tensor, ends: [Tensor]) {
        let h = difference
        let p = confidence.detached().to(dtype: denoiser.model.workingDType)
        let ends = denoiser.latents(
            .concatenated([images, images]), confidence: .concatenated([p + h, p - h]), scaling: settings.scaling
        ).chunked(2, dimension: 0)
        return ((ends[0] + ends[1]) / 2, (ends[0] - ends[1]) / (2 * h), ends)
    }

    /// The same, with no more images at a time than memory is good for.
    func trajectoryInParts(
        _ images: Tensor, confidence: Tensor
    ) -> (latents: Tensor, derivative: Tensor, ends: [Tensor]) {
        let size = max(1, denoiser.model.batchLimit / 2)
        let parts = stride(from: 0, to: images.size(0), by: size).map { start in
            let part = start..<min(start + size, images.size(0))
            return trajectory(images[part], confidence: confidence[part])
        }
        return (
            .concatenated(parts.map(\.latents)), .concatenated(parts.map(\.derivative)),
            (0..<2).map { end in .concatenated(parts.map { $0.ends[end] }) }
        )
    }

    /// g [N] from latents that are known.
    func gradient(_ latents: Tensor, derivative: Tensor, ends: [Tensor], context: Tensor, draw: NoiseDraw) -> Tensor {
        let weight = denoiser.weight(draw, settings.timeWeight)
        switch settings.objective {
        case .distillation:
            let residual = self.residual(latents, context: context, draw: draw)
            return weight * (residual * derivative).mean([1, 2, 3])
        case .full:
            let errors = ends.map { residual($0, context: context, draw: draw).squared().mean([1, 2, 3]) }
            return weight * (errors[0] - errors[1]) / (4 * difference)
        }
    }

    /// ε̂ − ε [N, C, h, w].
    func residual(_ latents: Tensor, context: Tensor, draw: NoiseDraw) -> Tensor {
        denoiser.predictedNoise(
            denoiser.noised(latents, draw), draw, context: context, guidanceScale: settings.guidanceScale) - draw.noise
    }

    /// The reported value of the loss, `½·w(t)·‖ε̂ − ε‖² / dim(z)` [N], differentiable in the confidence.
    public func value(_ images: Tensor, context: Tensor, confidence: Tensor, draw: NoiseDraw) -> Tensor {
        let latents = denoiser.latents(images, confidence: confidence, scaling: settings.scaling)
        let error = residual(latents, context: context, draw: draw).squared().mean([1, 2, 3])
        return 0.5 * denoiser.weight(draw, settings.timeWeight) * error
    }

    /// A loss per image [N] whose gradient in the confidence is LD's, through the VAE encoder by autograd: what the
    /// paper describes. Its value means nothing for ``LatentDistillationSettings/Objective/distillation``.
    /// - Parameter confidence: p [N], or a mask [N, 1, H, W] of the images' size, part of the classifier's graph.
    public func surrogate(_ images: Tensor, context: Tensor, confidence: Tensor, draw: NoiseDraw) -> Tensor {
        if settings.objective == .full {
            return value(images, context: context, confidence: confidence, draw: draw)
        }
        let latents = denoiser.latents(images, confidence: confidence, scaling: settings.scaling)
        let residual = noGrad { self.residual(latents.detached(), context: context, draw: draw) }
        return denoiser.weight(draw, settings.timeWeight) * (residual * latents).mean([1, 2, 3])
    }
}
