import Diffusion
import DomainFusion
import Pixels
import Torch

/// What a text-to-image model draws: one row a prompt subject, one column a style.
public struct SampleSheet {
    /// What models are looked at and judged by.
    public static let defaultSettings = GenerationSettings(steps: 25)

    /// The model that draws.
    public let model: LatentDiffusionModel
    /// What the rows show, as prompts name it.
    public var subjects = [
        "a face", "a hand", "a person", "an animal", "nature", "food", "a building", "a vehicle", "clothing", "a tool",
        "a horse", "a strawberry",
    ]
    /// The style words of the columns.
    public var styles = [
        "shaded colour", "cartoon", "flat colour", "outlined flat", "black and white ink", "pixel art", "",
    ]
    /// What is asked for: `{style}` or `{a style}` of the column, `{class}` or `{a class}` for the row's subject.
    public var prompt = Self.defaultPrompt
    /// What a column without style words asks for.
    public var plainPrompt = CaptionWords.emoji.plain.replacing("{a class}", with: "{class}")
    /// What the embedded model is asked for; its subjects have their articles.
    public static let defaultPrompt = CaptionWords.emoji.styled.replacing("{a class}", with: "{class}")
    /// How images are generated.
    public var settings = defaultSettings

    /// A sheet of the default subjects and styles.
    public init(model: LatentDiffusionModel) {
        self.model = model
    }

    /// The sheet, each image enlarged by whole pixels.
    public func image() throws -> RGBImage {
        let prompts = subjects.flatMap { subject in
            styles.map { Caption.prompt($0.isEmpty ? plainPrompt : Caption.prompt(prompt, style: $0), class: subject) }
        }
        let images = try model.textToImage(prompts, settings: settings, seeds: prompts.indices.map { UInt64($0) })
        let cells = images.rgbImages()
        let sheet = ContactSheet(
            rows: subjects.enumerated().map { row, _ in
                styles.indices.map { ContactSheet.Cell(cells[row * styles.count + $0]) }
            }, rowLabels: subjects, columnLabels: styles.map { $0.isEmpty ? "no style" : $0 })
        return try sheet.image()
    }
}
