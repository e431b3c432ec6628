import ArgumentParser
import Diffusion
import Experiments
import Foundations
import Torch

/// Which latent diffusion model a command works with; the embedded one where none is named.
struct LDMOption: ParsableArguments {
    /// What a model may be named by.
    static let forms =
        "a folder in diffusers layout, a file of Stable Diffusion, or ORG/NAME[@REVISION] of the Hugging Face hub"

    @Option(
        help: ArgumentHelp("The latent diffusion model: \(LDMOption.forms); by default the embedded one, of emoji."),
        completion: .file())
    var ldm: String?

    @Option(
        help: "A folder with another autoencoder of the same latents, such as TAESD: config.json and weights.",
        completion: .directory)
    var ldmVae: String?

    @Option(help: "The model's precision: float32, bfloat16 or float16.")
    var ldmDtype = ModelPrecision.float32

    /// The model's name.
    var name: String { ldm ?? EmbeddedModel.folder }

    /// What the model is asked for where no prompt is given.
    /// - Parameter other: the prompt for another model than the embedded one.
    func prompt(_ given: String?, other: String) -> String {
        given ?? (EmbeddedModel.isNamed(by: name) ? EmbeddedModel.prompt : other)
    }

    /// Loads the model, fetching it where it is on the hub and not yet here.
    /// - Parameters:
    ///   - vaePrecision: that of the autoencoder, where it is to be another.
    ///   - imageSize: side of its images in pixels, where it is not the one that it was trained on.
    /// - Throws: a one-line error.
    func load(
        device: Device = .cpu, vaePrecision: ModelPrecision? = nil, imageSize: Int? = nil
    ) throws -> LatentDiffusionModel {
        guard ldm != nil || InstalledFiles.here.find(name) != nil else {
            throw UserError("\(name): the embedded diffusion model is not here; \(EmbeddedModel.remedy)")
        }
        return try ModelDownload.load(
            name, vae: ldmVae, device: device, precision: ldmDtype, vaePrecision: vaePrecision, imageSize: imageSize)
    }
}

extension ModelPrecision: ExpressibleByArgument {}
