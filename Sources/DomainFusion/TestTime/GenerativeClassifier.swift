import Diffusion
import DomainGeneralization
import Foundations
import Pixels

/// A class-conditional latent diffusion model as the classifier: `argmax_y` of its likelihood of an image under each class's prompt
/// (Li and others, ICLR 2025, https://arxiv.org/abs/2512.25034), `−Σ_{t,ε} w(t)·‖ε_φ(z_t; c(y), t) − ε‖²` with the same draws for all
/// classes.
///
/// The model is trained before, on the source domains alone (`domainfusion ldm finetune --domains …`). Nothing is trained here but w(t),
/// a weight for each part of the noise schedule, which is fitted on the source domains' validation images.
public struct GenerativeClassifier {
    /// The settings of ``GenerativeClassifier``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters, Equatable {
        /// The latent diffusion model: a folder in diffusers layout, a file, or `ORG/NAME` of the hub. There is none by default.
        public var ldm = ""
        /// The folder of another autoencoder of the same latents, such as TAESD; empty is the model's own.
        public var ldmVAE = ""
        /// Precision of the latent diffusion model.
        public var ldmDtype = ModelPrecision.float32
        /// Side of the images that the latent diffusion model is given, in pixels; 0 is what it was trained on.
        public var ldmImageSize = 0
        /// What the model was taught to call an image of a class: `{class}` or `{a class}`.
        public var prompt = "a photo of {a class}"
        /// Draws of time and noise for each class.
        public var draws = 32
        /// By what an error is measured.
        public var metric = ErrorTable.Metric.l2
        /// Parts of the noise schedule that have a weight each.
        public var parts = 8
        /// When classes are dropped: `DRAWS:CLASSES` that stay, with commas; empty for never.
        public var elimination = ""
        /// Seeds the draws of time and noise.
        public var seed = 0

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean and their bounds.
        public static let fields: [Setting<Self>] = [
            Setting(
                "ldm", \.ldm,
                "the latent diffusion model, trained on the source domains alone: a folder in diffusers layout, a file, or ORG/NAME"
            ),
            Setting("ldmVAE", \.ldmVAE, "the folder of an autoencoder in place of the LDM's own, such as TAESD"),
            Setting("ldmDtype", \.ldmDtype, "the LDM's precision"),
            Setting(
                "ldmImageSize", \.ldmImageSize,
                "side of the images that the LDM is given, in pixels; 0: what it was trained on", .within(0...8192)),
            Setting("prompt", \.prompt, "what the LDM calls an image of a class", .prompt),
            Setting("draws", \.draws, "draws of time and noise for each class", .within(1...100_000)),
            Setting("metric", \.metric, "by what an error is measured"),
            Setting("parts", \.parts, "parts of the noise schedule that have a weight each", .within(1...1000)),
            Setting(
                "elimination", \.elimination, "when classes are dropped, as 4:5,8:2; empty for never", .elimination),
            Setting("seed", \.seed, "seeds the draws of time and noise", .seed),
        ]
    }

    /// The name in settings and tables.
    public static let name = "GenerativeClassifier"

    /// How it is named, explained and set. It takes no training steps: `GenerativeRun` makes its runs.
    public static let description = AlgorithmDescription(
        name, "The class under whose prompt a diffusion model finds the image most likely (Li and others 2025).",
        paper: "https://arxiv.org/abs/2512.25034", Settings.self
    ) { _, _ in
        throw UserError("\(name) takes no training steps, to which nothing can be added; take out terms and images")
    }

    /// What the diffusion model is asked for, and how often.
    public let settings: Settings
    /// w(t), the weight of each part of the noise schedule.
    public var weights: TimeWeights
    private let elimination: Elimination
    private let classifier: DiffusionClassifier
    private let prompts: [String]

    /// A classifier of a model, with all times alike until ``fitted(_:labels:)``.
    /// - Parameters:
    ///   - classes: the classes' names.
    ///   - store: where the model's errors are kept.
    /// - Throws: what reading the model's files for their hash throws.
    public init(_ settings: Settings, model: LatentDiffusionModel, classes: [String], store: ContentStore) throws {
        self.settings = settings
        elimination = try Elimination(settings.elimination)
        classifier = try DiffusionClassifier(model, draws: settings.draws, seed: settings.seed, store: store)
        prompts = classes.map { Caption.prompt(settings.prompt, class: $0) }
        weights = .even(timeSteps: classifier.timeSteps)
    }

    /// The hash of the model and all that its errors depend on.
    public var fingerprint: String { classifier.fingerprint }

    /// All errors of an image, for a fit.
    /// - Parameter ledger: counts the work that is done.
    /// - Throws: a one-line error of the model or the store.
    public func table(_ image: RGBImage, ledger: inout Ledger) throws -> ErrorTable {
        try classifier.table(image, prompts: prompts, ledger: &ledger)
    }

    /// This classifier with the weights that tell the classes of labelled images best; all times alike where there is none.
    public func fitted(_ tables: [ErrorTable], labels: [Int]) -> GenerativeClassifier {
        var result = self
        if !tables.isEmpty {
            result.weights = TimeWeights(
                fitting: tables, labels: labels, metric: settings.metric, parts: settings.parts,
                timeSteps: classifier.timeSteps)
        }
        return result
    }

    /// log p(y | x) of all classes up to a number an image. Of a class that was dropped it goes by the draws that it had.
    /// - Parameter ledger: counts the work that is done.
    /// - Throws: a one-line error of the model or the store.
    public func logits(of image: RGBImage, ledger: inout Ledger) throws -> [Double] {
        logits(
            try classifier.outcome(
                image, prompts: prompts, metric: settings.metric, weights: weights, elimination: elimination,
                ledger: &ledger))
    }

    /// The same of errors that were worked out for a fit.
    public func logits(_ table: ErrorTable) -> [Double] {
        let (factors, errors) = (table.times.map(weights.weight), table.errors(settings.metric))
        return logits(
            elimination.outcome(classes: table.classCount, draws: settings.draws) { classes, draws in
                classes.map { label in draws.map { Double(errors[label][$0]) * factors[$0] } }
            })
    }

    private func logits(_ outcome: Elimination.Outcome) -> [Double] {
        zip(outcome.margins, outcome.draws).map { margin, draws in
            -weights.sharpness * margin * Double(settings.draws) / Double(draws)
        }
    }
}

extension ErrorTable.Metric: SettingChoice {}

extension Limit where Value == String {
    fileprivate static var elimination: Limit {
        Limit(text: "DRAWS:CLASSES with commas, more draws and fewer classes each time") { text in
            do {
                _ = try Elimination(text)
                return nil
            } catch {
                return "\(error)"
            }
        }
    }
}
