import Backbones
import Torch

/// Conditional domain-adversarial networks (Li and others, ECCV 2018): as ``DANN``, where the discriminator sees
/// `φ(x) + v_y` with a learnt vector for each class, and every class weighs the same in its loss:
/// `Σ_i CE_i / (N_{y_i}·C)`. See ``DomainAdversarySettings``.
///
/// DomainBed's C is the highest label in the step plus one, ours the number of classes.
public final class CDANN: Algorithm {
    public static let description = AlgorithmDescription(
        "CDANN",
        "Features from which a discriminator that knows the class cannot tell the domain (Li and others 2018).",
        DomainAdversarySettings.self
    ) { try CDANN($0, context: $1) }

    private let adversary: DomainAdversary

    public init(_ settings: DomainAdversarySettings, context: AlgorithmContext) throws {
        adversary = try DomainAdversary(settings, context: context, isConditional: true)
    }

    public var classifier: Classifier { adversary.classifier }
    public var training: TrainingStep { adversary.training }

    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        try adversary.update(minibatches, step: step)
    }

    public var state: AlgorithmState { adversary.state }
    public func load(_ state: AlgorithmState, name: String) throws { try adversary.load(state, name: name) }
}
