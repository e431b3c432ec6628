import Backbones
import Torch

/// What ``IRM`` and ``VREx`` add to the mean risk of the environments.
public protocol RiskPenaltyMethod {
    /// The penalty's weight by default.
    static var standardWeight: Double { get }
    /// What help calls the penalty: "the penalty".
    static var penaltyName: String { get }
    /// What DomainBed's names begin with: `irm`.
    static var domainBedPrefix: String { get }

    /// The penalty of a step, a scalar.
    /// - Parameters:
    ///   - logits: of all images, [N, classes].
    ///   - risks: the cross-entropy of each environment, [environments], and their mean.
    static func penalty(logits: Tensor, risks: (each: Tensor, mean: Tensor), _ minibatches: [Minibatch]) -> Tensor
}

/// ``IRM`` and ``VREx``: `L = mean over e of CE_e + λ · P`; λ is 1 in the first steps.
public final class RiskPenalty<Method: RiskPenaltyMethod>: Algorithm {
    /// The settings of ``RiskPenalty``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// λ after the first steps.
        public var penaltyWeight = Method.standardWeight
        /// The first steps, in which λ is 1.
        public var annealSteps = 500

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static var fields: [Setting<Self>] {
            [
                Setting(
                    "penaltyWeight", \.penaltyWeight, "weight of \(Method.penaltyName) from step annealSteps on",
                    .atLeast(0), search: .power(10, -1, 5), domainBed: "\(Method.domainBedPrefix)_lambda"),
                Setting(
                    "annealSteps", \.annealSteps, "steps in which it weighs 1; Adam begins anew after them",
                    .atLeast(0), search: .wholePower(10, 0, 4),
                    domainBed: "\(Method.domainBedPrefix)_penalty_anneal_iters", begins: "the whole penalty"),
            ]
        }
    }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let penalty: AnnealedPenalty

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        penalty = AnnealedPenalty(weight: settings.penaltyWeight, steps: settings.annealSteps, before: 1)
    }

    /// One step along the mean risk and the weighted penalty; logs `loss`, `nll` and `penalty`. When λ jumps, Adam's
    /// state is forgotten, as in DomainBed.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let logits = classifier(minibatches.inputs)
        let risks = Tensor.stacked(minibatches.losses(logits))
        let risk = risks.mean()
        let extra = Method.penalty(logits: logits, risks: (risks, risk), minibatches)
        penalty.prepare(training, step: step)
        let value = try training.minimise(risk + penalty.weight(at: step) * extra, logits: logits, step: step)
        return [Metric("loss", value), Metric("nll", risk.item()), Metric("penalty", extra.item())]
    }
}
