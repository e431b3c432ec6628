import Foundation
import Foundations
import Torch

/// How images are made with a latent diffusion model.
public struct GenerationSettings: Codable, Sendable, Equatable {
    /// More denoising steps than any sampler takes.
    public static let largestSteps = 1_000_000

    /// Denoising steps from pure noise to an image.
    public var steps: Int
    /// Weight of the prompt in classifier-free guidance (Ho and Salimans 2022); up to 1 there is no guidance, at half
    /// the cost.
    public var guidanceScale: Double
    /// How much of an image is made anew, in 0…1: the part of `steps` that is walked. Of image to image only.
    public var strength: Double
    /// What guidance leads away from.
    public var negativePrompt: String
    /// How far guided predictions are brought back to the spread of unguided ones, 0…1 (Lin et al. 2023, section 3.4):
    /// against the glaring images of strong guidance.
    public var guidanceRescale: Double
    /// The sampler's class in diffusers (``schedulerNames``); the one that the model's files name by default.
    public var scheduler: String?
    /// How much of the noise ``DDIMScheduler`` draws anew in each step: 0 none, 1 as much as DDPM.
    public var eta: Double

    /// Settings; those of Stable Diffusion's first demonstrations by default, with 20 steps.
    public init(
        steps: Int = 20, guidanceScale: Double = 7.5, strength: Double = 0.6, negativePrompt: String = "",
        guidanceRescale: Double = 0, scheduler: String? = nil, eta: Double = 0
    ) {
        self.steps = steps
        self.guidanceScale = guidanceScale
        self.strength = strength
        self.negativePrompt = negativePrompt
        self.guidanceRescale = guidanceRescale
        self.scheduler = scheduler
        self.eta = eta
    }

    /// These settings with DDIM that draws no noise: the walk that leads back from where
    /// ``LatentDiffusionModel/invert(_:prompts:steps:firstSteps:guidanceScale:negativePrompt:onStep:)`` ends.
    public var withDDIM: Self {
        var settings = self
        (settings.scheduler, settings.eta) = (DDIMScheduler.className, 0)
        return settings
    }

    /// The steps that image to image walks, as diffusers counts them: `min(int(steps · strength), steps)`.
    /// - Throws: `UserError` for a strength out of range, steps out of range, or a strength that leaves no step.
    public func imageToImageSteps() throws -> Int {
        guard strength > 0, strength <= 1 else {
            throw UserError("strength \(strength): choose one above 0, up to 1")
        }
        guard (1...Self.largestSteps).contains(steps) else {
            throw UserError("\(steps) denoising steps: choose 1 to \(Self.largestSteps)")
        }
        let count = min(Int(Double(steps) * strength), steps)
        guard count > 0 else {
            let least = (100 / Double(max(steps, 1))).rounded(.up) / 100
            throw UserError(
                "strength \(strength) of \(steps) steps leaves no step to take: choose a strength of at least \(least), "
                    + "or more steps")
        }
        return count
    }
}
