import Backbones
import Torch

/// Risk extrapolation (Krueger and others 2021): `L = mean over e of CE_e + λ · Var_e(CE_e)`, the biased variance; λ is 1 in
/// the first steps.
public final class VREx: Algorithm {
    public struct Settings: Hyperparameters {
        public var penaltyWeight = 10.0
        public var annealSteps = 500

        public init() {}

        public static let phases = ["annealSteps": "the whole penalty"]

        public static let search = [
            SearchRange("penaltyWeight", as: "vrex_lambda", .power(10, -1, 5)),
            SearchRange("annealSteps", as: "vrex_penalty_anneal_iters", .wholePower(10, 0, 4)),
        ]

        public static let help = [
            "penaltyWeight": "weight of the variance of the domains' losses from step annealSteps on; at least 0",
            "annealSteps": "steps in which the variance weighs 1; Adam begins anew after them",
        ]

        public func validate() throws {
            try require("penaltyWeight", penaltyWeight, atLeast: 0)
            try require("annealSteps", annealSteps, atLeast: 0)
        }
    }

    public static let description = AlgorithmDescription(
        "VREx",
        "Risk extrapolation: the variance of the source domains' losses is a penalty (Krueger and others 2021).",
        Settings.self
    ) { try VREx($0, context: $1) }

    public let classifier: Classifier
    public let training: TrainingStep
    private let penalty: AnnealedPenalty

    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        penalty = AnnealedPenalty(weight: settings.penaltyWeight, steps: settings.annealSteps, before: 1)
    }

    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let losses = Tensor.stacked(minibatches.losses(classifier(minibatches.images)))
        let risk = losses.mean()
        let variance = (losses - risk).squared().mean()
        penalty.prepare(training, step: step)
        let value = try training.minimise(risk + penalty.weight(at: step) * variance, step: step)
        return [Metric("loss", value), Metric("nll", risk.item()), Metric("penalty", variance.item())]
    }
}
