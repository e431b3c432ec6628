import Diffusion
import DomainGeneralization
import Foundations

/// What a run can add to any algorithm, by its name: a term of the loss (`--term ld`), images (`--images ola`), or features of a
/// frozen network (`--features ldm`). `Source` is what it is made of: the run's diffusion model.
public struct Addition<Part, Source>: Sendable {
    /// The name by which it is added: `ld`, `posterior`, `ola`.
    public let name: String
    /// One sentence, with the source.
    public let abstract: String
    /// The settings with their default values, an object.
    public let defaults: JSONValue
    private let describe: @Sendable () -> [SettingDescription]
    private let check: @Sendable (JSONValue, String) throws -> JSONValue
    private let build: @Sendable (JSONValue, String, Source) throws -> Part

    /// - Parameters:
    ///   - standard: the settings by default.
    ///   - refusal: what is wrong with settings that would be right in an algorithm: a setting, and what it must be.
    init<Settings: Hyperparameters>(
        _ name: String, _ abstract: String, _ standard: Settings, refusal: SettingRule<Settings>? = nil,
        make: @escaping @Sendable (Settings, Source) throws -> Part
    ) {
        self.name = name
        self.abstract = abstract
        defaults = (try? JSONValue(encoding: standard)) ?? [:]
        describe = { Settings.described(standard) }
        @Sendable func settings(_ changes: JSONValue, _ path: String) throws -> Settings {
            let settings = try changed(standard, by: changes, path: path)
            try settings.validate(path: path)
            if let refusal, let problem = refusal.refusal(settings) {
                throw UserError("\(path).\(refusal.setting): \(problem)")
            }
            return settings
        }
        check = { try JSONValue(encoding: settings($0, $1)) }
        build = { try make(settings($0, $1), $2) }
    }

    /// The settings with their help and defaults.
    public var settings: [SettingDescription] { describe() }

    /// All settings, those of `changes` in the place of the defaults.
    /// - Parameter path: what errors call them: `terms.ld`.
    /// - Throws: `UserError` for an unknown name or an impossible value.
    public func resolved(_ changes: JSONValue, path: String) throws -> JSONValue { try check(changes, path) }

    /// Makes the part of a run with the settings of `changes` in the place of the defaults.
    /// - Throws: `UserError` for an unknown name or an impossible value; what the part throws that is made.
    public func make(_ changes: JSONValue, path: String, _ source: Source) throws -> Part {
        try build(changes, path, source)
    }
}

extension Addition where Part == any LossTerm, Source == RunDiffusionModel {
    /// The term `ld`: ``LatentDistillationTerm`` with its settings.
    public static let latentDistillation = Addition(
        "ld", "Latent distillation: the diffusion model's noise-prediction error, through the confidence (ECCV 2024).",
        LatentDistillationSettings(),
        refusal: SettingRule("mode") {
            $0.mode == .off ? "off would add nothing; choose another, or leave the term out" : nil
        }, make: { try LatentDistillationTerm($0, $1) })

    /// The term `posterior`: ``PosteriorDistillationTerm`` with its settings and weight 1.
    public static let posteriorDistillation = Addition(
        "posterior", "Distillation of the diffusion model's own class probabilities (Li and others 2023).",
        {
            var settings = PosteriorDistillationSettings()
            settings.weight = 1
            return settings
        }(), make: { try PosteriorDistillationTerm($0, $1) })

    /// The term `lfd`: ``LatentFeatureDistillation`` with its settings.
    public static let latentFeatureDistillation = Addition(
        "lfd", "Distillation of the diffusion model's features into the classifier's (FitNets, 2015).",
        LatentFeatureDistillationSettings(), make: { try LatentFeatureDistillation($0, $1) })

    /// The term `consistency`: ``ConsistencyTerm`` with its settings.
    public static let consistency = Addition(
        "consistency", "Consistency of the classifier between an added image and its source (Xie and others 2020).",
        ConsistencySettings(), make: { ConsistencyTerm($0, context: $1.context) })

    /// The term `teacher`: ``TeacherTerm`` with its settings.
    /// - Parameter load: makes the teacher that the settings name.
    public static func teacher(load: @escaping Teacher.Loader) -> Addition {
        Addition(
            "teacher", "Distillation from the classifier of another run (Hinton and others 2015).", TeacherSettings(),
            refusal: SettingRule("run") {
                $0.run.isEmpty ? "name the folder of the run to learn from: --set terms.teacher.run=runs/joined" : nil
            }, make: { try TeacherTerm($0, teacher: load($0.run, $1.context)) })
    }
}

extension Addition where Part == any MinibatchSource, Source == RunDiffusionModel {
    /// The images `ola`: ``SyntheticMinibatches`` with the settings of online augmentation.
    /// - Parameter judge: makes the judge of the candidates that the settings ask for.
    public static func onlineAugmentation(judge: @escaping CandidateJudge.Loader) -> Addition {
        Addition(
            "ola", "Online lightweight augmentation: rounds of images that the diffusion model changes (ECCV 2024).",
            AugmentationSettings(),
            refusal: SettingRule("weight") {
                $0.weight == 1
                    ? nil : "an algorithm weighs all its images alike; set how many are synthetic with images.ola.share"
            }, make: { try SyntheticMinibatches($0, $1, judge: judge) })
    }
}

extension Addition where Part == any FrozenFeatures, Source == FeatureSource {
    /// The features `ldm`: ``LatentFeatures`` with their settings.
    public static let latentFeatures = Addition(
        "ldm",
        "Features of the diffusion model's U-Net, which the classifier's head takes beside its own (GUIDE, 2025).",
        LatentFeatureSettings(),
        make: { try LatentFeatures($0, model: $1.model, store: $1.store, ledger: $1.ledger) })
}

/// What frozen features are made of: a diffusion model, a store, and in a training run its ledger.
public struct FeatureSource {
    /// The model, whose weights do not change.
    public let model: LatentDiffusionModel
    /// Where features are kept, shared by all runs.
    public let store: ContentStore
    /// Counts what they take; nil where nothing is counted.
    public let ledger: RunLedger?

    /// A model with the store of its results.
    public init(model: LatentDiffusionModel, store: ContentStore, ledger: RunLedger?) {
        self.model = model
        self.store = store
        self.ledger = ledger
    }
}
