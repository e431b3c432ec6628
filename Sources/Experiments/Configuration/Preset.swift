import DomainGeneralization
import Foundations

extension RunConfiguration {
    /// Starting values of the settings by a name that a run records.
    public enum Preset: String, CaseIterable, Sendable {
        /// EfficientNet-Lite0 on 64-pixel images for 300 steps, its rate falling to zero: minutes on a laptop. Seeds differ least of
        /// what was tried at its price (Evidence/embedded/power).
        case small
        /// What `small` was in version 0.2.0: a constant rate.
        case small1 = "small-1"
        /// The protocol of DomainBed's published tables (Gulrajani & Lopez-Paz 2021).
        case domainbed2020 = "domainbed-2020"
        /// The protocol of SWAD (Cha and others 2021).
        case swad2021 = "swad-2021"
        /// The defaults of DomainBed's repository today.
        case domainbedHead = "domainbed-head"
        /// The protocol of DomainFusion (ECCV 2024), as far as the paper says it.
        case domainfusion2024 = "domainfusion-2024"

        /// The preset of a name, whatever its case.
        /// - Throws: `UserError` with near misses.
        public init(named name: String) throws {
            guard let found = Self.allCases.first(where: { $0.rawValue == name.lowercased() }) else {
                throw UserError(
                    "no preset '\(name)'" + suggestion(for: name, among: Self.allCases.map(\.rawValue)))
            }
            self = found
        }

        /// What the preset stands for, in a line for help texts.
        public var summary: String {
            switch self {
            case .small:
                "EfficientNet-Lite0 on 64-pixel images for 300 steps: minutes on a laptop; for EmojiDG with the embedded "
                    + "diffusion model, its prompts and styles"
            case .small1: "what small was in version 0.2.0: a constant learning rate of 3e-4"
            case .domainbed2020:
                "DomainBed's published tables: ResNet-50 with torchvision's ImageNet weights V1, batch norm frozen"
            case .swad2021:
                "SWAD's protocol: domainbed-2020 with SWAD, evaluated every 100 steps, 15,000 steps for DomainNet"
            case .domainbedHead:
                "today's DomainBed: ResNet-50 with AugMix weights (timm's resnet50.ram_in1k), batch norm trained"
            case .domainfusion2024:
                "the DomainFusion paper's: swad-2021 with DomainFusion and Stable Diffusion 1.5, guidance 7.5, an LDM in "
                    + "every step"
            }
        }

        /// The weights that its numbers were published with: a name, and what their SHA-256 begins with.
        var weights: (name: String, digest: String)? {
            switch self {
            case .small, .small1: nil
            case .domainbed2020, .swad2021, .domainfusion2024: ("torchvision's resnet50-0676ba61.pth", "0676ba61")
            case .domainbedHead: ("timm's resnet50_ram-a26f946b.pth", "a26f946b")
            }
        }

        /// Whether it is for laptops, not a published protocol.
        public var isSmall: Bool { self == .small || self == .small1 }

        private static let oneSeed = "one seed for the split and every draw (SWAD sets the second by --seed)"

        /// What this toolkit does otherwise than the code that the preset is named after.
        var knownDeviations: [String] {
            switch self {
            case .small, .small1: []
            case .domainbed2020, .domainbedHead:
                [
                    "validation images of the training domains are not augmented (DomainBed augments them)",
                    "evaluated after every 300th step and at the end (DomainBed: after the 1st, 301st, …)",
                    "one seed for the split and every draw (DomainBed derives the second from the run's arguments)",
                ]
            case .swad2021: [Self.oneSeed]
            case .domainfusion2024:
                [
                    Self.oneSeed,
                    "what the paper does not say is ours: w(t), the times t, candidates, strength, denoising steps, epochs "
                        + "between rounds",
                ]
            }
        }
    }

    /// The settings of a preset for a data set.
    /// - Parameters:
    ///   - dataset: its name or folder; what is published for it (steps, small images) takes effect.
    ///   - algorithm: nil for the preset's own.
    public init(preset: Preset, dataset: String = "", algorithm name: String? = nil) {
        self.preset = preset.rawValue
        algorithm.name = name ?? preset.algorithm
        algorithm.hyperparameters = preset.hyperparameters(of: algorithm.name, dataset: dataset)
        if preset == .small {
            learningRate = 1e-3
            learningRateSchedule = .cosine
        }
        guard !preset.isSmall else { return }
        let known = KnownDataset.named(dataset)
        backbone.name = "resnet50"
        backbone.freezeBatchNorm = preset != .domainbedHead
        batchSize = 32
        learningRate = 5e-5
        imageSize = 224
        evaluateTraining = true
        steps = known?.steps.domainBed ?? 5000
        evaluateEvery = known?.evaluateEvery.domainBed ?? 300
        if preset == .swad2021 || preset == .domainfusion2024 {
            steps = known?.steps.swad ?? 5000
            evaluateEvery = known?.evaluateEvery.swad ?? 100
            evaluateTraining = false
            averaging = AveragingSettings(.swad)
            if known?.name == "VLCS" { averaging.ratio = 0.2 }
        }
        saveEvery = evaluateEvery
    }

    /// Whether the preset's numbers are DomainBed's, and so are the defaults of hyperparameters by data set.
    var followsDomainBed: Bool { Preset(rawValue: preset)?.isSmall != true }

    /// In what a run deviates from its preset: settings that were changed, the algorithm's too, other weights, and what is never
    /// alike. What a draw changes belongs to the draw.
    /// - Parameter weightsDigest: the SHA-256 of the weights file.
    func deviations(dataset: String, weightsDigest: String?, registry: AlgorithmRegistry = .all) -> [String] {
        guard let preset = Preset(rawValue: preset) else { return ["the preset '\(self.preset)' is not known"] }
        // What a run is about, and where it works, is no deviation.
        let subject: Set<String> = [
            "data", "testDomains", "oracle", "algorithm.name", "seed", "draw", "saveEvery", "device", "skipCorrupt",
            "store", "backbone.weights", "backbone.gradientCheckpointing", "preset",
        ]
        var published = RunConfiguration(preset: preset, dataset: dataset, algorithm: algorithm.name)
        (published.data, published.seed) = (dataset, seed)
        published = (try? published.drawing(draw, registry: registry)) ?? published
        let standard = published.flattened(registry)
        let own = flattened(registry)
        let reference = draw == 0 ? "in the preset" : "in draw \(draw) of the preset"
        var lines = own.keys.sorted().compactMap { key -> String? in
            guard !subject.contains(key), own[key] != standard[key] else { return nil }
            return "\(key): \(own[key]?.text ?? "unset"), \(standard[key]?.text ?? "unset") \(reference)"
        }
        if let weights = preset.weights, weightsDigest?.hasPrefix(weights.digest) != true {
            lines.append("weights: not \(weights.name)")
        }
        return lines + preset.knownDeviations
    }

    /// All settings by their paths, the algorithm's defaults among them.
    private func flattened(_ registry: AlgorithmRegistry) -> [String: JSONValue] {
        var whole = self
        if let found = try? registry.algorithm(named: algorithm.name),
            let resolved = try? found.resolved(algorithm.hyperparameters)
        {
            whole.algorithm.hyperparameters = resolved
        }
        return (try? JSONValue(encoding: whole))?.flattened() ?? [:]
    }
}
