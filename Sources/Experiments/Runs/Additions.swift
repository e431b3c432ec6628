import Diffusion
import DomainFusion
import DomainGeneralization
import Foundations
import Torch

/// What a run's settings add to its algorithm.
public struct Additions {
    private let configuration: RunConfiguration

    /// The terms that there are.
    public static let terms: [Addition<any LossTerm, RunDiffusionModel>] = [
        .latentDistillation, .posteriorDistillation, .latentFeatureDistillation, .consistency,
        .teacher(load: RunTeacher.load),
    ]
    /// The makers of images that there are.
    public static let images = [
        Addition<any MinibatchSource, RunDiffusionModel>.onlineAugmentation(judge: RunJudge.load)
    ]
    /// The frozen features that there are.
    public static let features = [Addition<any FrozenFeatures, FeatureSource>.latentFeatures]

    init(_ configuration: RunConfiguration) {
        self.configuration = configuration
    }

    /// The settings with all of the additions' own in them, those of the preset under what is given; nil stays nil.
    /// - Throws: `UserError` for an unknown name or an impossible value.
    static func resolved(_ given: RunConfiguration) throws -> RunConfiguration {
        var result = given
        let preset = RunConfiguration.Preset(rawValue: given.preset)?.additions(dataset: given.data) ?? [:]
        func underlaid(_ group: String, _ given: [String: JSONValue]?) -> [String: JSONValue]? {
            guard let given else { return nil }
            return Dictionary(
                uniqueKeysWithValues: given.map { ($0, (preset[group]?[$0] ?? [:]).overlaid(by: $1)) })
        }
        result.terms = try resolved(underlaid("terms", given.terms), "terms", terms)
        result.images = try resolved(underlaid("images", given.images), "images", images)
        result.features = try resolved(underlaid("features", given.features), "features", features)
        guard result.terms != nil || result.images != nil || result.features != nil else {
            guard given.diffusion == nil else {
                throw UserError(
                    "diffusion: nothing asks the model; add a term (--term ld), images (--images ola) or features "
                        + "(--features ldm), or take it out")
            }
            return result
        }
        let asked = (preset["diffusion"] ?? [:]).overlaid(by: .object(given.diffusion ?? [:]))
        let diffusion = try DiffusionModelSettings(changes: asked, path: "diffusion")
        result.diffusion = try JSONValue(encoding: diffusion).object
        return result
    }

    /// The default settings of the additions that a configuration has, by their names with dots.
    static func defaults(of configuration: RunConfiguration) throws -> [String: JSONValue] {
        var bare = configuration
        bare.terms = configuration.terms?.mapValues { _ in [:] }
        bare.images = configuration.images?.mapValues { _ in [:] }
        bare.features = configuration.features?.mapValues { _ in [:] }
        bare.diffusion = nil
        // A preset's own are no defaults: what differs by the preset is another run.
        bare.preset = ""
        let resolved = try resolved(bare)
        var result: [String: JSONValue] = [:]
        for (group, settings) in [
            ("terms", resolved.terms), ("images", resolved.images), ("features", resolved.features),
            ("diffusion", resolved.diffusion),
        ] { result.merge(JSONValue.object(settings ?? [:]).flattened(prefix: group)) { $1 } }
        return result
    }

    private static func resolved<Part, Source>(
        _ given: [String: JSONValue]?, _ group: String, _ known: [Addition<Part, Source>]
    ) throws -> [String: JSONValue]? {
        guard let given, !given.isEmpty else { return nil }
        var result: [String: JSONValue] = [:]
        for (name, changes) in given {
            let addition = try Self.addition(name, group, known)
            result[name] = try addition.resolved(changes, path: "\(group).\(name)")
        }
        return result
    }

    private static func addition<Part, Source>(
        _ name: String, _ group: String, _ known: [Addition<Part, Source>]
    ) throws -> Addition<Part, Source> {
        guard let found = known.first(where: { $0.name == name }) else {
            throw UserError("\(group): no '\(name)'" + suggestion(for: name, among: known.map(\.name)))
        }
        return found
    }

    /// The diffusion model that the settings' additions ask; nil where nothing does.
    /// - Throws: a one-line error for a model or a ledger that cannot be used.
    func diffusionModel(_ context: AlgorithmContext) throws -> RunDiffusionModel? {
        guard let asked = configuration.diffusion else { return nil }
        let settings = try DiffusionModelSettings(changes: .object(asked), path: "diffusion")
        return try RunDiffusionModel(
            settings.ldm, vae: settings.ldmVAE, dtype: settings.ldmDtype, imageSize: settings.ldmImageSize,
            styles: settings.styles,
            isDistilled: configuration.terms?["ld"] != nil, context: context)
    }

    /// The frozen features that the settings add.
    /// - Throws: `UserError` for settings that do not fit the model, or several kinds of features.
    func frozenFeatures(_ source: FeatureSource) throws -> (any FrozenFeatures)? {
        let given = (configuration.features ?? [:]).sorted { $0.key < $1.key }
        guard given.count < 2 else { throw UserError("features: a classifier takes one kind of features") }
        return try given.first.map { name, changes in
            try Self.addition(name, "features", Self.features).make(changes, path: "features.\(name)", source)
        }
    }

    /// The frozen features of a model that was trained, for evaluation and prediction.
    /// - Throws: a one-line error for a diffusion model that cannot be used.
    func frozenFeatures(device: Device) throws -> (any FrozenFeatures)? {
        guard configuration.features != nil else { return nil }
        let settings = try DiffusionModelSettings(changes: .object(configuration.diffusion ?? [:]), path: "diffusion")
        let model = try LatentDiffusionModel(
            path: settings.ldm, vaeFolder: settings.ldmVAE.isEmpty ? nil : settings.ldmVAE, device: device,
            dtype: settings.ldmDtype.dtype(on: device),
            imageSize: settings.ldmImageSize == 0 ? nil : settings.ldmImageSize)
        return try frozenFeatures(
            FeatureSource(model: model, store: ContentStore(configuration.store), ledger: nil))
    }

    /// The algorithm with what the settings add to it.
    /// - Parameter diffusion: ``diffusionModel(_:)`` of the run.
    /// - Throws: a one-line error for a model or data that cannot be used; `Interruption` where a signal ends the work before
    ///   training.
    func extending(_ algorithm: any Algorithm, _ diffusion: RunDiffusionModel?) throws -> any Algorithm {
        let (terms, images) = (configuration.terms ?? [:], configuration.images ?? [:])
        guard let diffusion, !terms.isEmpty || !images.isEmpty else { return algorithm }
        return try ExtendedAlgorithm(
            algorithm,
            terms: try made(terms, "terms", Self.terms, diffusion),
            sources: try made(images, "images", Self.images, diffusion))
    }

    /// In the order of their names, so that sums are the same in every process.
    private func made<Part>(
        _ given: [String: JSONValue], _ group: String, _ known: [Addition<Part, RunDiffusionModel>],
        _ diffusion: RunDiffusionModel
    ) throws -> [Part] {
        try given.sorted { $0.key < $1.key }.map { name, changes in
            try Self.addition(name, group, known).make(changes, path: "\(group).\(name)", diffusion)
        }
    }
}
