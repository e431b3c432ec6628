import DomainFusion
import DomainGeneralization
import EmojiDG
import Foundations

extension RunConfiguration.Preset {
    /// The algorithm that a run has where none is named.
    var algorithm: String { self == .domainfusion2024 ? DomainFusionAlgorithm.name : "ERM" }

    /// The preset's own hyperparameters of an algorithm; whatever is not among them has the algorithm's default.
    /// - Parameter dataset: a data set's name or folder.
    public func hyperparameters(of algorithm: String, dataset: String) -> JSONValue {
        let isFusion = algorithm.lowercased() == DomainFusionAlgorithm.name.lowercased()
        switch self {
        case .small, .small1:
            guard KnownDataset.named(dataset)?.name == EmojiDG.benchmarkName else { return .object([:]) }
            if algorithm.lowercased() == MODEA.description.name.lowercased() {
                return .object(["ldm": .string(EmbeddedModel.folder)])
            }
            if algorithm.lowercased() == GenerativeClassifier.name.lowercased() {
                return ["ldm": .string(EmbeddedModel.folder), "prompt": .string(EmbeddedModel.prompt)]
            }
            return isFusion ? Self.embedded : .object([:])
        case .domainfusion2024: return isFusion ? Self.paper : .object([:])
        default: return .object([:])
        }
    }

    /// The preset's own settings of what can be added to an algorithm, and of the model that it asks: those of DomainFusion's parts.
    func additions(dataset: String) -> JSONValue {
        let whole = hyperparameters(of: DomainFusionAlgorithm.name, dataset: dataset)
        return [
            "terms": ["ld": whole["distillation"] ?? [:], "posterior": whole["posterior"] ?? [:]],
            "images": ["ola": whole["augmentation"] ?? [:]],
            "diffusion": .object((whole.object ?? [:]).filter { ["ldm", "styles"].contains($0.key) }),
        ]
    }

    /// EmojiDG's diffusion model, and what it was taught to be asked for.
    private static let embedded: JSONValue = {
        let prompt = JSONValue.string(EmbeddedModel.prompt)
        let styles = Vendor.benchmark.map { ($0.rawValue, JSONValue.string($0.style)) }
        return .object([
            "ldm": .string(EmbeddedModel.folder), "styles": .object(.init(uniqueKeysWithValues: styles)),
            "distillation": .object(["prompt": prompt]), "posterior": .object(["prompt": prompt]),
            "augmentation": .object(["prompts": .array([prompt])]),
        ])
    }()

    /// What the paper says: Stable Diffusion; the diffusion model asked in every step, about the augmented view; guidance; the
    /// candidates' contents alone to choose from, whole spectra composed, each round from the one before.
    private static let paper: JSONValue = {
        let prompt = JSONValue.string("a photo of {a class}")
        return .object([
            "ldm": .string("stable-diffusion-v1-5/stable-diffusion-v1-5"),
            "distillation": .object([
                "mode": .string("online"), "objective": .string("distillation"), "guidanceScale": .double(7.5),
                "scaling": .string("black"), "prompt": prompt,
            ]),
            "augmentation": .object([
                "composition": .string("fourier"), "contentPool": .string("candidates"),
                "fourierRadius": .double(1), "guidanceScale": .double(7.5), "prompts": .array([prompt]),
                "start": .string("previous"),
            ]),
        ])
    }()
}
