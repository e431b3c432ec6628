import Diffusion
import DomainGeneralization
import Foundations

extension SchedulerChoice: SettingChoice {}

/// Settings of online lightweight augmentation (OLA).
public struct AugmentationSettings: Hyperparameters, Equatable {
    /// What a round starts from.
    public enum Start: String, SettingChoice {
        /// The image of the round before: autoregressive, as in the paper.
        case previous
        /// The source image itself, in every round.
        case raw
    }

    /// How the diffusion model makes candidates of an image.
    public enum Generator: String, SettingChoice {
        /// Noise is mixed in and taken out again: ``ImageToImageGenerator``.
        case imageToImage = "img2img"
        /// The image is walked towards noise by DDIM, and back: ``InversionGenerator``. It draws no noise, so that candidates
        /// differ by their prompts alone: rounds that start from the raw image repeat where all prompts have their turn in
        /// each.
        case inversion
    }

    /// How style and content are put together.
    public enum Composition: String, SettingChoice {
        /// Amplitude and phase of the spectrum: ``FourierSpace``.
        case fourier
        /// Statistics and normalised map of the diffusion model's latents: ``LatentAdaINSpace``.
        case latent
        /// One candidate as it is: of those whose content is close enough the one of the least similar style.
        case candidate
        /// The diffusion model draws the chosen content in the chosen style: ``StyleInjection``.
        case injection
    }

    /// Whose amplitude a composed image has: what helps in an exchange of spectra.
    public enum Amplitudes: String, SettingChoice {
        /// The candidate's of the least similar style.
        case candidates
        /// Another source image's, of another domain, drawn by the seed: what `FourierMix` does.
        case sources
        /// That of noise which has the image's own amplitudes, averaged over rings of equal frequency.
        case noise
    }

    /// Whose contents can be chosen.
    public enum ContentPool: String, SettingChoice {
        /// The candidates' alone, as in the paper.
        case candidates
        /// The source image's, too: it keeps the object where the diffusion model smears it.
        case candidatesAndSource = "candidates+source"
    }

    /// By whose mean and variance batch norm normalises the synthetic images in training.
    public enum BatchNorm: String, SettingChoice {
        /// Those of all images of the step together.
        case shared
        /// Their own; those of the source images alone are kept for evaluation.
        case own
    }

    /// λ_s, the factor of the synthetic images' loss; 0 turns augmentation off.
    public var weight = 1.0
    /// Share of synthetic images in a step's images.
    public var share = 0.5
    /// By whose mean and variance batch norm normalises the synthetic images in training.
    public var batchNorm = BatchNorm.shared
    /// M, the images of the synthetic set, spread over domains and classes as the sources are; 0 takes all sources.
    public var budget = 0
    /// Draws the images of the set anew each round.
    public var redraw = false
    /// T, the epochs between two rounds.
    public var everyEpochs = 5.0
    /// Makes the next round's images while training goes on with this one's. They are the same images; the diffusion model and
    /// the classifier are then at work at a time.
    public var ahead = false
    /// N, the images that the diffusion model makes of each image in a round.
    public var candidates = 4
    /// How the diffusion model makes candidates of an image.
    public var generator = Generator.imageToImage
    /// Share of the noise that a candidate starts from.
    public var strength = 0.6
    /// Weight of the prompt in the candidates' generation (classifier-free guidance); 1 is none.
    public var guidanceScale = 7.5
    /// Denoising steps from pure noise; a candidate takes a share of them, as strength says.
    public var steps = 20
    /// The sampler that candidates are denoised with; `dpm++` needs fewer steps than DDIM, four to eight.
    public var scheduler = SchedulerChoice.own
    /// What the candidates are asked for, one after the other; `{a class}` stands for the label with its article. They
    /// name styles of the sources, or none, and never the unseen domain's.
    ///
    /// `{style}` and `{a style}` stand for the style of each source domain in turn, as
    /// ``DomainFusionAlgorithm/Settings/styles`` says.
    public var prompts = ["a photo of {a class}"]
    /// What a round starts from.
    public var start = Start.previous
    /// Fourier's exchange of whole spectra rings; validation tells the two not apart (Evidence/embedded/ola-settings).
    public var composition = Composition.latent
    /// Share of the highest frequency up to which the chosen style's amplitude is taken.
    public var fourierRadius = 1.0
    /// How the style is injected, of composition injection.
    public var injection = InjectionSettings()
    /// Whose amplitude a composed image has, of composition fourier.
    public var amplitudes = Amplitudes.candidates
    /// How styles are compared.
    public var styleSimilarity = StyleSimilarity.logarithmic
    /// How contents are compared.
    public var contentSimilarity = ContentSimilarity.own
    /// How alike a candidate's content must be to the image's own to be chosen. Where none is, the source image's is, or with
    /// a pool of candidates alone the image stays as it was. 0 takes the most similar, or as candidate any of them.
    public var contentThreshold = 0.0
    /// Whose contents can be chosen.
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

    /// Every setting at its default.
    public init() {}

    /// The settings one by one: what they mean and their bounds.
    public static let fields: [Setting<Self>] = [
        Setting("weight", \.weight, "factor of the synthetic images' loss; 0 is off", .atLeast(0)),
        Setting("share", \.share, "share of synthetic images in a step's images", .above(0, atMost: 0.99)),
        Setting("batchNorm", \.batchNorm, "by whose statistics batch norm normalises the synthetic images in training"),
        Setting("budget", \.budget, "images of the synthetic set; 0 is one for each source image", .atLeast(0)),
        Setting("redraw", \.redraw, "whether each round draws the set's images anew"),
        Setting("everyEpochs", \.everyEpochs, "epochs between two rounds", .within(1e-6...1e9)),
        Setting(
            "ahead", \.ahead,
            "whether a round is made while training goes on with the one before; the images are the same"),
        Setting("candidates", \.candidates, "images that the LDM makes of each image in a round", .within(1...1000)),
        Setting(
            "generator", \.generator,
            "how candidates are made: img2img mixes noise in, inversion walks to noise and back by DDIM, once a prompt"),
        Setting(
            "strength", \.strength, "share of the noise that a candidate starts from", .above(0, atMost: 1)),
        Setting("guidanceScale", \.guidanceScale, "classifier-free guidance; 1 is none", .atLeast(1)),
        Setting(
            "steps", \.steps, "denoising steps from pure noise; a candidate takes a share, as strength says",
            .within(1...GenerationSettings.largestSteps)),
        Setting("scheduler", \.scheduler, "the sampler of the candidates; own is the model's"),
        Setting(
            "prompts", \.prompts,
            "what the candidates are asked for, in turn; {a style} is that of each source domain in turn", .prompts),
        Setting("start", \.start, "the image that a round starts from"),
        Setting("composition", \.composition, "how style and content are put together"),
        Setting(
            "fourierRadius", \.fourierRadius,
            "share of the highest frequency up to which the chosen style's amplitude is taken", .within(0...1)),
        .group("injection", \.injection, "how composition injection draws a content in a style"),
        Setting("amplitudes", \.amplitudes, "whose amplitude an image composed by fourier has"),
        Setting("styleSimilarity", \.styleSimilarity, "how styles are compared"),
        Setting("contentSimilarity", \.contentSimilarity, "how contents are compared"),
        Setting(
            "contentThreshold", \.contentThreshold,
            "a candidate of a less similar content is not chosen, rather the source; 0 is no threshold", .within(0...1)),
        Setting("contentPool", \.contentPool, "whose contents can be chosen"),
        Setting("judge", \.judge, "folder of a finished run whose classifier judges the candidates; empty is none"),
        Setting(
            "judgeThreshold", \.judgeThreshold,
            "a candidate whose class gets a lower probability is dropped; 0 keeps all", .within(0...1)),
        Setting("batchSize", \.batchSize, "images in one call of the LDM", .within(1...65_536)),
        Setting("seed", \.seed, "seeds the set's draw and the noise; runs with the same one share candidates"),
    ]

    /// What settings that are right each by itself must not be together.
    public static let rules: [SettingRule<Self>] = [
        SettingRule("amplitudes") {
            $0.composition == .fourier || $0.amplitudes == .candidates
                ? nil : "must be candidates, since the composition is \($0.composition.rawValue), not fourier"
        },
        SettingRule("steps") {
            Double($0.steps) * $0.strength >= 1 ? nil : "must be enough for one step at this strength"
        },
        SettingRule("scheduler") {
            $0.generator == .imageToImage || $0.scheduler == .own ? nil : "must be own, since inversion walks by DDIM"
        },
        SettingRule("candidates") {
            // Prompts that name a style become one for each source domain, which is not known here.
            guard $0.generator == .inversion, !$0.prompts.contains(where: Caption.namesStyle) else { return nil }
            let prompts = Set($0.prompts).count
            guard $0.candidates > prompts else { return nil }
            return "must be at most \(prompts), as many as there are prompts: inversion makes one image for each"
        },
        SettingRule("judgeThreshold") {
            $0.judge.isEmpty || $0.judgeThreshold > 0 ? nil : "must be above 0, since there is a judge (\($0.judge))"
        },
    ]
}
