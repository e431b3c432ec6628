import Backbones
import Torch

/// Domain-adversarial neural networks (Ganin and others 2016): a discriminator D minimises the cross-entropy of the domain,
/// `L_D = CE(D(φ(x)), e) + g·‖∂ΣCE/∂φ‖²`, and the classifier `L = CE(f(x), y) − λ·L_D`, in turn.
/// See ``DomainAdversarySettings``.
public final class DANN: Algorithm {
    public static let description = AlgorithmDescription(
        "DANN", "Features from which a discriminator cannot tell the domain (Ganin and others 2016).",
        DomainAdversarySettings.self
    ) { try DANN($0, context: $1) }

    private let adversary: DomainAdversary

    public init(_ settings: DomainAdversarySettings, context: AlgorithmContext) throws {
        adversary = try DomainAdversary(settings, context: context, isConditional: false)
    }

    public var classifier: Classifier { adversary.classifier }
    public var training: TrainingStep { adversary.training }

    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        try adversary.update(minibatches, step: step)
    }

    public var state: AlgorithmState { adversary.state }
    public func load(_ state: AlgorithmState, name: String) throws { try adversary.load(state, name: name) }
}
