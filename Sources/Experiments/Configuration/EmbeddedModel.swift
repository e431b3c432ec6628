import Foundations

/// The small latent diffusion model that the program brings along: of emoji, for the benchmark EmojiDG.
public enum EmbeddedModel {
    /// Its folder, as settings and commands name it; see `InstalledFiles`.
    public static let folder = InstalledFiles.embeddedModel
    /// What it is asked for; other models are asked for photos.
    public static let prompt = "an emoji of {a class}"

    /// Whether a path is that of the embedded model.
    public static func isNamed(by path: String) -> Bool {
        guard let found = InstalledFiles.here.find(folder) else { return false }
        return Files.realPath(InstalledFiles.here.locate(path)) == Files.realPath(found)
    }

    /// How to come by a model.
    public static let remedy =
        "name a model with --ldm: a folder, a file of Stable Diffusion, or ORG/NAME of the Hugging Face hub ('domainfusion ldm "
        + "download stable-diffusion-v1-5/stable-diffusion-v1-5' fetches one, 'domainfusion help ldm train' says how to train one)"
}
