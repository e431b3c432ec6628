import Diffusion
import DomainGeneralization
import Foundations

/// Settings of online lightweight augmentation (OLA).
public struct AugmentationSettings: Codable, Sendable, Equatable {
    /// What a round starts from.
    public enum Start: String, SettingChoice {
        /// The image of the round before: autoregressive, as in the paper.
        case previous
        /// The source image.
        case raw
    }

    /// How style and content are put together.
    public enum Composition: String, SettingChoice {
        /// Amplitude and phase of the spectrum: ``FourierSpace``.
        case fourier
        /// Statistics and normalised map of the diffusion model's latents: ``LatentAdaINSpace``.
        case latent
    }

    /// Whose contents can be chosen.
    public enum ContentPool: String, SettingChoice {
        case candidates
        /// The source image's, too: it keeps the object where the diffusion model smears it.
        case candidatesAndSource = "candidates+source"
    }

    /// λ_s, the factor of the synthetic images' loss; 0 turns augmentation off.
    public var weight = 1.0
    /// Share of synthetic images in a step's images.
    public var share = 0.5
    /// M, the images of the synthetic set, spread over domains and classes as the sources are; 0 takes all sources.
    public var budget = 0
    /// Draws the images of the set anew each round.
    public var redraw = false
    /// T, the epochs between two rounds.
    public var everyEpochs = 5.0
    /// N, the images that the diffusion model makes of each image in a round.
    public var candidates = 4
    /// Share of the noise that a candidate starts from.
    public var strength = 0.6
    public var guidanceScale = 7.5
    /// Denoising steps from pure noise; a candidate takes a share of them, as strength says.
    public var steps = 20
    /// What the candidates are asked for, one after the other; `{a class}` stands for the label with its article. They
    /// name styles of the sources, or none, and never the unseen domain's.
    ///
    /// `{style}` and `{a style}` stand for the style of each source domain in turn, as
    /// ``DomainFusionAlgorithm/Settings/styles`` says.
    public var prompts = ["a photo of {a class}"]
    public var start = Start.previous
    /// Fourier's exchange of whole spectra rings; validation tells the two not apart (Evidence/embedded/ola-settings).
    public var composition = Composition.latent
    /// Share of the highest frequency up to which the chosen style's amplitude is taken.
    public var fourierRadius = 1.0
    /// How styles are compared.
    public var styleSimilarity = StyleSimilarity.logarithmic
    public var contentPool = ContentPool.candidatesAndSource
    /// The folder of a finished run that held out the same domains: its classifier is the candidates' judge; none where
    /// it is empty.
    public var judge = ""
    /// Drops a candidate whose class the judge gives a lower probability; 0 keeps all.
    public var judgeThreshold = 0.0
    /// Images in one call of the diffusion model.
    public var batchSize = 16
    /// Seeds the budget's draw and the candidates' noise: runs with the same one share candidates.
    public var seed = 0

    public init() {}

    /// - Throws: `UserError` naming a value out of range.
    public func validate(path: String) throws {
        func require(_ holds: Bool, _ name: String, _ wanted: String) throws {
            if !holds { throw UserError("\(path).\(name): must be \(wanted)") }
        }
        try require(weight >= 0 && weight.isFinite, "weight", "at least 0")
        try require(share > 0 && share <= 0.99, "share", "above 0 and at most 0.99")
        try require(
            (0...largestCount).contains(budget), "budget", "in 0…\(largestCount) (0 takes all source images)")
        try require((1e-6...1e9).contains(everyEpochs), "everyEpochs", "in 0.000001…1000000000")
        try require((1...1000).contains(candidates), "candidates", "in 1…1000")
        try require(strength > 0 && strength <= 1, "strength", "above 0 and at most 1")
        try require(guidanceScale >= 1 && guidanceScale.isFinite, "guidanceScale", "at least 1 (1 is no guidance)")
        try require(
            (1...GenerationSettings.largestSteps).contains(steps) && Double(steps) * strength >= 1, "steps",
            "enough for one step at this strength, and at most \(GenerationSettings.largestSteps)")
        try require(
            !prompts.isEmpty && prompts.allSatisfy { $0.contains("{class}") || $0.contains("{a class}") }, "prompts",
            "texts with {class} or {a class} in them")
        try require((0...1).contains(fourierRadius), "fourierRadius", "in 0…1")
        try require((0...1).contains(judgeThreshold), "judgeThreshold", "in 0…1")
        try require(
            judge.isEmpty || judgeThreshold > 0, "judgeThreshold", "above 0, since there is a judge (\(judge))")
        try require((1...65_536).contains(batchSize), "batchSize", "in 1…65536")
    }
}
