import Backbones
import Torch

/// Invariant risk minimisation (Arjovsky and others 2019): `L = mean over e of CE_e + λ · mean over e of P_e`, where `P_e` is
/// the squared gradient of the risk by a factor s = 1 on the logits, without bias: the product of the gradients over the
/// even and over the odd images, `P_e = ∂CE(s·f(x_even), y_even)/∂s · ∂CE(s·f(x_odd), y_odd)/∂s`. λ is 1 in the first steps.
public final class IRM: Algorithm {
    public struct Settings: Hyperparameters {
        public var penaltyWeight = 100.0
        public var annealSteps = 500

        public init() {}

        public static let phases = ["annealSteps": "the whole penalty"]

        public static let search = [
            SearchRange("penaltyWeight", as: "irm_lambda", .power(10, -1, 5)),
            SearchRange("annealSteps", as: "irm_penalty_anneal_iters", .wholePower(10, 0, 4)),
        ]

        public static let help = [
            "penaltyWeight": "weight of the penalty from step annealSteps on; at least 0",
            "annealSteps": "steps in which the penalty weighs 1; Adam begins anew after them",
        ]

        public func validate() throws {
            try require("penaltyWeight", penaltyWeight, atLeast: 0)
            try require("annealSteps", annealSteps, atLeast: 0)
        }
    }

    public static let description = AlgorithmDescription(
        "IRM",
        "Invariant risk minimisation: one classifier is to be optimal in every domain (Arjovsky and others 2019).",
        Settings.self
    ) { try IRM($0, context: $1) }

    public let classifier: Classifier
    public let training: TrainingStep
    private let penalty: AnnealedPenalty

    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        penalty = AnnealedPenalty(weight: settings.penaltyWeight, steps: settings.annealSteps, before: 1)
    }

    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let logits = classifier(minibatches.images)
        let risk = minibatches.losses(logits).mean
        let penalties = zip(minibatches.split(logits), minibatches).map { Self.penalty($0, $1.labels) }.mean
        penalty.prepare(training, step: step)
        let value = try training.minimise(risk + penalty.weight(at: step) * penalties, step: step)
        return [Metric("loss", value), Metric("nll", risk.item()), Metric("penalty", penalties.item())]
    }

    private static func penalty(_ logits: Tensor, _ labels: Tensor) -> Tensor {
        let scale = Tensor.ones([], device: logits.device)
        scale.requiresGrad = true
        func gradient(from start: Int) -> Tensor {
            let half = logits.sliced(0, from: start, to: logits.size(0), step: 2)
            let loss = crossEntropy(half * scale, labels.sliced(0, from: start, to: labels.size(0), step: 2))
            return gradients(of: [loss], with: [scale], createGraph: true)[0] ?? .zeros([], device: logits.device)
        }
        return gradient(from: 0) * gradient(from: 1)
    }
}
