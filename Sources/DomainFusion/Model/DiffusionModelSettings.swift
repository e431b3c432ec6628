import Diffusion
import DomainGeneralization
import Foundations

/// The diffusion model that what is added to an algorithm asks (`diffusion` in a run's settings).
public struct DiffusionModelSettings: Hyperparameters {
    /// A folder in diffusers layout, a file of Stable Diffusion, or `ORG/NAME`.
    public var ldm = ""
    /// The folder of another autoencoder of the same latents, such as TAESD; empty is the model's own.
    public var ldmVAE = ""
    /// Precision of the latent diffusion model.
    public var ldmDtype = ModelPrecision.float32
    /// Side of the images that it is given and makes, in pixels; 0 is what it was trained on.
    public var ldmImageSize = 0
    /// Domains and the words for their styles, for prompts with `{style}` or `{a style}` in them.
    public var styles: [String: String] = [:]

    /// Every setting at its default.
    public init() {}

    /// The settings one by one: what they mean and their bounds.
    public static let fields = modelFields(\Self.ldm, \.ldmVAE, \.ldmDtype, \.ldmImageSize, \.styles)

    /// The fields of settings that name a diffusion model.
    static func modelFields<Group>(
        _ ldm: KeyPath<Group, String> & Sendable, _ ldmVAE: KeyPath<Group, String> & Sendable,
        _ ldmDtype: KeyPath<Group, ModelPrecision> & Sendable,
        _ ldmImageSize: KeyPath<Group, Int> & Sendable, _ styles: KeyPath<Group, [String: String]> & Sendable
    ) -> [Setting<Group>] {
        [
            Setting(
                "ldm", ldm,
                "the latent diffusion model: a folder in diffusers layout, a file of Stable Diffusion, or ORG/NAME"),
            Setting(
                "ldmVAE", ldmVAE,
                "the folder of an autoencoder in place of the LDM's own, such as TAESD: config.json and weights"),
            Setting("ldmDtype", ldmDtype, "the LDM's precision"),
            Setting(
                "ldmImageSize", ldmImageSize,
                "side of the images that the LDM is given and makes, in pixels; 0: what it was trained on",
                .within(0...8192)),
            Setting(
                "styles", styles,
                "domains and the words for their styles, for prompts with {style}; never the held-out ones'"),
        ]
    }
}
