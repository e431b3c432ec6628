import Diffusion
import DomainGeneralization
import Foundations

/// The diffusion model that what is added to an algorithm asks (`diffusion` in a run's settings).
public struct DiffusionModelSettings: Hyperparameters {
    /// A folder in diffusers layout, a file of Stable Diffusion, or `ORG/NAME`.
    public var ldm = DomainFusionAlgorithm.Settings().ldm
    public var ldmDtype = ModelPrecision.float32
    /// Side of the images that it is given and makes, in pixels; 0 is what it was trained on.
    public var ldmImageSize = 0
    /// Domains and the words for their styles, for prompts with `{style}` or `{a style}` in them.
    public var styles: [String: String] = [:]

    public init() {}

    public static let help = DomainFusionAlgorithm.Settings.help.filter { name, _ in
        ["ldm", "ldmDtype", "ldmImageSize", "styles"].contains(name)
    }

    public func validate() throws {
        guard (0...8192).contains(ldmImageSize) else {
            throw UserError("diffusion.ldmImageSize: must be in 0…8192 (0 is the model's own)")
        }
    }
}
