import Diffusion
import Foundation
import Torch

/// What the LDM itself thinks of an image's class: its noise-prediction error under each class's prompt, the same
/// draws for all (a diffusion classifier, Li et al. 2023).
public struct LDMPosterior: Sendable, Codable {
    /// `E_{t,ε}[w(t)·‖ε_φ(z_t; c(y), t) − ε‖² / dim(z)]` of each class.
    public let errors: [Float]

    /// What these errors say of the class.
    public init(errors: [Float]) {
        self.errors = errors
    }

    /// `softmax(−β·errors)`; β is large, since the errors differ little.
    public func probabilities(sharpness beta: Double) -> [Double] {
        let scores = errors.map { -beta * Double($0) }
        let highest = scores.max() ?? 0
        let exponentials = scores.map { Foundation.exp($0 - highest) }
        let sum = exponentials.reduce(0, +)
        return exponentials.map { $0 / sum }
    }

    /// The class of the least error.
    public var prediction: Int { errors.indices.min { errors[$0] < errors[$1] } ?? 0 }
}

extension LatentDistillation {
    /// The LDM's errors for one image under every prompt, without guidance.
    /// - Parameters:
    ///   - image: [3, H, W] in [0, 1].
    ///   - contexts: states of the classes' prompts [classes, tokens, width].
    public func posterior(_ image: Tensor, contexts: Tensor, seed: UInt64) -> LDMPosterior {
        inferenceMode {
            let model = denoiser.model
            let latents = denoiser.latents(
                image.unsqueezed(0), confidence: Tensor([Float(1)], device: model.device), scaling: settings.scaling)
            let draw = NoiseDraw.stratified(
                settings.draws, for: denoiser, settings: settings, generator: Generator(seed: seed))
            let noisy = denoiser.noised(latents.expanded([settings.draws, -1, -1, -1]), draw)
            let weight = denoiser.weight(draw, settings.timeWeight)
            let errors = (0..<contexts.size(0)).map { index -> Float in
                let context = contexts[index].unsqueezed(0).expanded([settings.draws, -1, -1])
                let predicted = denoiser.predictedNoise(noisy, draw, context: context, guidanceScale: 1)
                let error = (predicted - draw.noise).squared().mean([1, 2, 3])
                return Float((weight * error).mean().item())
            }
            return LDMPosterior(errors: errors)
        }
    }
}
