import DomainFusion
import DomainGeneralization
import Foundations

/// What a run's settings add to its algorithm.
public struct Additions {
    private let configuration: RunConfiguration

    /// The terms that there are.
    public static let terms = Addition<any LossTerm>.all
    /// The makers of images that there are.
    public static let images = [Addition<any MinibatchSource>.onlineAugmentation(judge: RunJudge.load)]

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
        guard result.terms != nil || result.images != nil else {
            guard given.diffusion == nil else {
                throw UserError(
                    "diffusion: nothing asks the model; add a term (--term ld) or images (--images ola), or take it out"
                )
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
        bare.diffusion = nil
        // A preset's own are no defaults: what differs by the preset is another run.
        bare.preset = ""
        let resolved = try resolved(bare)
        var result: [String: JSONValue] = [:]
        for (group, settings) in [
            ("terms", resolved.terms), ("images", resolved.images), ("diffusion", resolved.diffusion),
        ] { result.merge(JSONValue.object(settings ?? [:]).flattened(prefix: group)) { $1 } }
        return result
    }

    private static func resolved<Part>(
        _ given: [String: JSONValue]?, _ group: String, _ known: [Addition<Part>]
    ) throws -> [String: JSONValue]? {
        guard let given, !given.isEmpty else { return nil }
        var result: [String: JSONValue] = [:]
        for (name, changes) in given {
            let addition = try Self.addition(name, group, known)
            result[name] = try addition.resolved(changes, path: "\(group).\(name)")
        }
        return result
    }

    private static func addition<Part>(_ name: String, _ group: String, _ known: [Addition<Part>]) throws -> Addition<
        Part
    > {
        guard let found = known.first(where: { $0.name == name }) else {
            throw UserError("\(group): no '\(name)'" + suggestion(for: name, among: known.map(\.name)))
        }
        return found
    }

    /// The algorithm with what the settings add to it.
    /// - Throws: a one-line error for a model or data that cannot be used; `Interruption` where a signal ends the work before
    ///   training.
    func extending(_ algorithm: any Algorithm, context: AlgorithmContext) throws -> any Algorithm {
        let (terms, images) = (configuration.terms ?? [:], configuration.images ?? [:])
        guard !terms.isEmpty || !images.isEmpty else { return algorithm }
        let settings = try DiffusionModelSettings(
            changes: .object(configuration.diffusion ?? [:]), path: "diffusion")
        let diffusion = try RunDiffusionModel(
            settings.ldm, dtype: settings.ldmDtype, imageSize: settings.ldmImageSize, styles: settings.styles,
            isDistilled: terms["ld"] != nil, context: context)
        return ExtendedAlgorithm(
            algorithm,
            terms: try made(terms, "terms", Self.terms, diffusion),
            sources: try made(images, "images", Self.images, diffusion))
    }

    /// In the order of their names, so that sums are the same in every process.
    private func made<Part>(
        _ given: [String: JSONValue], _ group: String, _ known: [Addition<Part>], _ diffusion: RunDiffusionModel
    ) throws -> [Part] {
        try given.sorted { $0.key < $1.key }.map { name, changes in
            try Self.addition(name, group, known).make(changes, path: "\(group).\(name)", diffusion)
        }
    }
}
