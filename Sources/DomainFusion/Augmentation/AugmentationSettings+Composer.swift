import Diffusion
import DomainGeneralization
import Foundations

extension AugmentationSettings {
    /// What chooses style and content among candidates and composes them, as these settings say.
    /// - Parameters:
    ///   - model: asked by compositions and contents that need it.
    ///   - hash: the model's fingerprint.
    ///   - generation: the candidates' settings, which injection draws by, too.
    /// - Throws: `UserError` for a strength that leaves no step.
    func composer(
        _ model: LatentDiffusionModel, hash: String, generation: GenerationSettings
    ) throws -> Composer {
        let latents = LatentAdaINSpace(model.vae, model: hash)
        let contents: (any ContentMeasure)? =
            switch contentSimilarity {
            case .own: composition == .candidate || composition == .injection ? EdgeContent() : nil
            case .phase: FourierSpace()
            case .edges: EdgeContent()
            case .latent: latents
            }
        switch composition {
        case .fourier: return composer(FourierSpace(radius: fourierRadius), contents: contents)
        case .latent: return composer(latents, contents: contents)
        case .candidate: return composer(FourierSpace(), method: .candidate, contents: contents)
        case .injection:
            let drawing = try StyleInjection(
                model, modelHash: hash, settings: generation, attention: injection.attention)
            return composer(FourierSpace(), method: .injection(drawing), contents: contents)
        }
    }

    private func composer(
        _ space: any StyleContentSpace, method: Composer.Method = .space, contents: (any ContentMeasure)?
    ) -> Composer {
        Composer(
            space, method: method, styleSimilarity: styleSimilarity, contents: contents,
            contentThreshold: contentThreshold, includesSource: contentPool == .candidatesAndSource)
    }

    /// The settings as sets of images are known by: those that came after version 0.2.0 count where they are not at their
    /// default, so that earlier sets stay what they were.
    var identity: JSONValue {
        get throws {
            let defaults = try JSONValue(encoding: AugmentationSettings())
            var members = try JSONValue(encoding: self).object ?? [:]
            // What is done with the images that there are.
            for name in ["ahead", "batchNorm"] { members[name] = nil }
            for name in Self.laterSettings where members[name] == defaults[name] { members[name] = nil }
            return .object(members)
        }
    }

    private static let laterSettings = [
        "contentSimilarity", "contentThreshold", "amplitudes", "injection", "generator", "scheduler",
    ]
}
