import DomainGeneralization
import Foundations

extension RunConfiguration {
    /// Starting values of the settings by a name that a run records.
    public enum Preset: String, CaseIterable, Sendable {
        case small
        case domainbed2020 = "domainbed-2020"
        case swad2021 = "swad-2021"
        case domainbedHead = "domainbed-head"
        case domainfusion2024 = "domainfusion-2024"

        /// - Throws: ``UserError`` with near misses.
        public init(named name: String) throws {
            guard let found = Self.allCases.first(where: { $0.rawValue == name.lowercased() }) else {
                throw UserError(
                    "no preset '\(name)'" + suggestion(for: name, among: Self.allCases.map(\.rawValue)))
            }
            self = found
        }

        /// What it stands for.
        public var summary: String {
            switch self {
            case .small: "EfficientNet-Lite0 on 64-pixel images for 300 steps: minutes on a laptop"
            case .domainbed2020:
                "DomainBed's published tables: ResNet-50 with torchvision's ImageNet weights V1, batch norm frozen"
            case .swad2021:
                "SWAD's protocol: domainbed-2020 with SWAD, evaluated every 100 steps, 15,000 steps for DomainNet"
            case .domainbedHead:
                "today's DomainBed: ResNet-50 with AugMix weights (timm's resnet50.ram_in1k), batch norm trained"
            case .domainfusion2024: "swad-2021 with DomainFusion"
            }
        }

        /// The weights that its numbers were published with: a name, and what their SHA-256 begins with.
        var weights: (name: String, digest: String)? {
            switch self {
            case .small: nil
            case .domainbed2020, .swad2021, .domainfusion2024: ("torchvision's resnet50-0676ba61.pth", "0676ba61")
            case .domainbedHead: ("timm's resnet50_ram-a26f946b.pth", "a26f946b")
            }
        }

        /// What this toolkit does otherwise than the code that the preset is named after.
        var knownDeviations: [String] {
            switch self {
            case .small: []
            case .domainbed2020, .domainbedHead:
                [
                    "validation images of the training domains are not augmented (DomainBed augments them)",
                    "evaluated after every 300th step and at the end (DomainBed: after the 1st, 301st, …)",
                    "one seed for the split and every draw (DomainBed derives the second from the run's arguments)",
                ]
            case .swad2021, .domainfusion2024:
                ["one seed for the split and every draw (SWAD sets the second by --seed)"]
            }
        }
    }

    /// The settings of a preset for a data set.
    /// - Parameter dataset: its name or folder; what is published for it (steps, small images) takes effect.
    public init(preset: Preset, dataset: String = "") {
        self.preset = preset.rawValue
        guard preset != .small else { return }
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
        if preset == .domainfusion2024 { algorithm.name = "DomainFusion" }
        saveEvery = evaluateEvery
    }

    /// Whether the preset's numbers are DomainBed's, and so are the defaults of hyperparameters by data set.
    var followsDomainBed: Bool { preset != Preset.small.rawValue }

    /// In what a run deviates from its preset: settings that were changed, other weights, and what is never alike.
    /// - Parameter weightsDigest: the SHA-256 of the weights file.
    func deviations(dataset: String, weightsDigest: String?) -> [String] {
        guard let preset = Preset(rawValue: preset) else { return ["the preset '\(self.preset)' is not known"] }
        // What a run is about, and where it works, is no deviation.
        let subject: Set<String> = [
            "data", "testDomains", "oracle", "algorithm.name", "seed", "draw", "saveEvery", "device", "skipCorrupt",
            "store", "backbone.weights", "backbone.gradientCheckpointing", "preset",
        ]
        let standard = flattened(RunConfiguration(preset: preset, dataset: dataset))
        let own = flattened(self)
        var lines = own.keys.sorted().compactMap { key -> String? in
            guard !subject.contains(key), !key.hasPrefix("algorithm."), own[key] != standard[key] else { return nil }
            return "\(key): \(own[key]?.text ?? "unset"), \(standard[key]?.text ?? "unset") in the preset"
        }
        if let weights = preset.weights, weightsDigest?.hasPrefix(weights.digest) != true {
            lines.append("weights: not \(weights.name)")
        }
        return lines + preset.knownDeviations
    }

    private func flattened(_ configuration: RunConfiguration) -> [String: JSONValue] {
        (try? JSONValue(encoding: configuration))?.flattened() ?? [:]
    }
}
