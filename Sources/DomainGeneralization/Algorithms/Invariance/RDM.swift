import Backbones
import Torch

/// Risk distribution matching (Nguyen and others, WACV 2024):
/// `L = mean over e of CE_e + λ · MMD(R_w, R) + μ · (Var R_w + Var R)`, where R are the losses of all images and R_w those of the
/// environment with the largest mean; kernels as in ``MMD``, γ also 0.0001; unbiased variances. λ and μ are 0 in the first
/// steps, after which Adam begins anew at its own learning rate.
public final class RDM: Algorithm {
    /// The settings of ``RDM``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// λ: weight of the distance of the worst domain's losses from all, after the first steps.
        public var penaltyWeight = 5.0
        /// The first steps, in which the mean loss alone counts.
        public var annealSteps = 1500
        /// μ: weight of the losses' variances after them.
        public var varianceWeight = 0.004
        /// Adam's learning rate after them.
        public var learningRate = 1.5e-5

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "penaltyWeight", \.penaltyWeight, "weight of the distance of the worst domain's losses from all",
                .atLeast(0), search: .uniform(0.1, 10), domainBed: "rdm_lambda"
            ).on(.domainNet, .uniform(0.1, 1), default: 0.5).on(.pacs, .uniform(1, 10))
                .on(.terraIncognita, .uniform(1, 10)),
            Setting(
                "annealSteps", \.annealSteps, "steps with the mean loss alone; Adam begins anew after them",
                .atLeast(0), search: .wholeUniform(800, 2700), domainBed: "rdm_penalty_anneal_iters",
                begins: "the matching of risks"
            ).on(.domainNet, .wholeUniform(1500, 3000), default: 2400),
            Setting(
                "varianceWeight", \.varianceWeight, "weight of the losses' variances", .atLeast(0),
                search: .uniform(0.001, 0.007), domainBed: "variance_weight"
            ).on(.terraIncognita, .constant(.double(0)), default: .double(0))
                .on(.officeHome, .constant(.double(0)), default: .double(0))
                .on(.domainNet, .constant(.double(0)), default: .double(0)),
            Setting(
                "learningRate", \.learningRate, "Adam's learning rate after the first steps", .above(0),
                search: .uniform(8e-6, 2e-5), domainBed: "rdm_lr"),
        ]

        /// DomainBed searches the batch size of RDM in ranges of its own.
        public static let runSearch = [
            SearchRange("batchSize", of: .run, as: "batch_size", default: .int(88), .wholeUniform(70, 100))
                .on(.domainNet, default: .int(40), .wholeUniform(30, 60))
                .on(.terraIncognita, default: .int(40), .wholeUniform(30, 60))
                .on(.smallImages, default: .int(64), .wholePower(2, 3, 9))
        ]
    }

    /// How ``RDM`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "RDM", "The losses of the worst source domain are distributed as all are (Nguyen and others 2024).",
        paper: "https://arxiv.org/abs/2310.18598", Settings.self
    ) { try RDM($0, context: $1) }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let matching, spread: AnnealedPenalty
    private let restart: OptimizerRestart

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        matching = AnnealedPenalty(weight: settings.penaltyWeight, steps: settings.annealSteps, before: 0)
        spread = AnnealedPenalty(weight: settings.varianceWeight, steps: settings.annealSteps, before: 0)
        restart = OptimizerRestart(at: settings.annealSteps, learningRate: settings.learningRate)
    }

    private static let rates = [0.0001] + MMD.rates

    /// One step along the mean loss and the weighted penalties; logs `total_loss`, `erm_loss`, `matching_penalty` and
    /// `variance_penalty`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let logits = classifier(minibatches.inputs)
        let all = crossEntropy(logits, minibatches.labels, reduction: .none)
        let each = minibatches.split(all)
        let means = Tensor.stacked(each.map { $0.mean() })
        let worst = each[Int(means.argmax(0).item())]
        let distance = MMD.distance(worst.unsqueezed(1), all.unsqueezed(1), rates: Self.rates)
        let variance = all.variance([0]) + worst.variance([0])
        let loss = means.mean()
        let total = loss + matching.weight(at: step) * distance + spread.weight(at: step) * variance
        restart.prepare(training, step: step)
        let value = try training.minimise(total, logits: logits, step: step)
        return [
            Metric("total_loss", value), Metric("erm_loss", loss.item()), Metric("matching_penalty", distance.item()),
            Metric("variance_penalty", variance.item()),
        ]
    }
}
