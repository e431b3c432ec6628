import Backbones
import Torch

/// The information bottleneck's part of ``IB_ERM`` and ``IB_IRM``: how much the features' variances count.
public struct BottleneckSettings: Hyperparameters {
    /// Weight of the features' variances after the first steps.
    public var weight = 100.0
    /// The first steps, in which they do not count.
    public var annealSteps = 500

    /// Every setting at its default.
    public init() {}

    /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
    public static let fields: [Setting<Self>] = [
        Setting(
            "weight", \.weight, "weight of the features' variances from step annealSteps on", .atLeast(0),
            search: .power(10, -1, 5), domainBed: "ib_lambda"),
        Setting(
            "annealSteps", \.annealSteps, "steps in which they do not count; Adam begins anew after them", .atLeast(0),
            search: .wholePower(10, 0, 4), domainBed: "ib_penalty_anneal_iters", begins: "the bottleneck"),
    ]
}

/// ``IB_ERM`` and ``IB_IRM`` (Ahuja and others, NeurIPS 2021): `L = mean over e of CE_e + λ · B (+ μ · P)`, where B is the mean
/// over the environments and the features of a feature's variance over the environment's images, and P the penalty of ``IRM``.
/// λ is 0 in the first steps, μ 1.
public final class InformationBottleneck: Algorithm {
    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let bottleneck: AnnealedPenalty
    private let invariance: AnnealedPenalty?

    /// Builds the classifier and its optimiser for a run.
    /// - Parameter invariance: how much the penalty of ``IRM`` counts; nil is not at all.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(
        _ bottleneck: BottleneckSettings, invariance: RiskPenalty<IRM>.Settings? = nil, context: AlgorithmContext
    ) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        self.bottleneck = AnnealedPenalty(weight: bottleneck.weight, steps: bottleneck.annealSteps, before: 0)
        self.invariance = invariance.map {
            AnnealedPenalty(weight: $0.penaltyWeight, steps: $0.annealSteps, before: 1)
        }
    }

    /// One step along the mean risk and the weighted penalties; logs `loss`, `nll`, `IB_penalty` and, with it, `IRM_penalty`.
    /// When a weight jumps, Adam's state is forgotten, as in DomainBed.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let features = classifier.features(minibatches.inputs)
        let logits = classifier.logits(features)
        let risks = Tensor.stacked(minibatches.losses(logits))
        let risk = risks.mean()
        let spread = minibatches.split(features).map { $0.variance([0]).mean() }.mean
        var loss = risk + bottleneck.weight(at: step) * spread
        var metrics = [Metric("nll", risk.item()), Metric("IB_penalty", spread.item())]
        if let invariance {
            let penalty = IRM.penalty(logits: logits, risks: (risks, risk), minibatches)
            loss = loss + invariance.weight(at: step) * penalty
            metrics.append(Metric("IRM_penalty", penalty.item()))
            invariance.prepare(training, step: step)
        }
        bottleneck.prepare(training, step: step)
        return [Metric("loss", try training.minimise(loss, logits: logits, step: step))] + metrics
    }
}
