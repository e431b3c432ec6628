import Backbones
import Foundations
import Pixels
import Torch

/// Meta-learning domain generalization (Li and others, AAAI 2018), first order: the environments are split into
/// meta-training and meta-test ones; for each pair (i, j), `θ' = Adam(θ, G_i)` with `G_i = ∂CE_i(θ)/∂θ`, and
/// `G_j = ∂CE_j(θ')/∂θ'`; the step follows `Σ (G_i + β·G_j) / number of environments`.
///
/// Batch-norm statistics follow both passes; DomainBed throws them away with its copy of the network.
public final class MLDG: RandomizedAlgorithm {
    /// The settings of ``MLDG``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// β: weight of the meta-test gradient.
        public var beta = 1.0
        /// Environments that are meta-test ones in a step; one at least stays for meta-training.
        public var metaTestDomains = 2

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "beta", \.beta, "weight of the meta-test gradient", .atLeast(0), search: .power(10, -1, 1),
                domainBed: "mldg_beta"),
            Setting(
                "metaTestDomains", \.metaTestDomains,
                "source domains that are meta-test ones in a step; one at least stays for training", .atLeast(1),
                search: .choice([1, 2]), domainBed: "n_meta_test"),
        ]
    }

    /// How ``MLDG`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "MLDG", "A step on some source domains is to help the others, too (Li and others 2018).",
        paper: "https://arxiv.org/abs/1710.03463", Settings.self
    ) { try MLDG($0, context: $1) }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let settings: Settings
    private let optimizer: OptimizerSettings
    private let draws: StepDraws

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: `UserError` for a single source environment.
    public init(_ settings: Settings, context: AlgorithmContext) throws {
        guard context.trainingEnvironments.count > 1 else {
            throw UserError("MLDG takes two source domains or more; choose another algorithm")
        }
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
        optimizer = context.optimizer
        draws = StepDraws(context, "MLDG")
    }

    /// The environments in random order, meta-test ones last.
    public func draw(for minibatches: [Minibatch], step: Int) -> [Int] {
        var generator = draws.generator(step: step)
        return generator.permutation(minibatches.count)
    }

    /// One step along the meta-training and meta-test gradients, with the environments in a given order; logs `loss`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], _ order: [Int], step: Int) throws -> [Metric] {
        let parameters = training.optimizer.parameters
        let testCount = min(settings.metaTestDomains, order.count - 1)
        let (train, test) = (order.dropLast(testCount), Array(order.suffix(testCount)))
        let scale = 1 / Double(minibatches.count)
        var sums = [Tensor?](repeating: nil, count: parameters.count)
        func add(_ gradients: [Tensor?], _ factor: Double) {
            noGrad {
                for (index, gradient) in gradients.enumerated() {
                    guard let gradient else { continue }
                    sums[index] = sums[index].map { $0 + factor * gradient } ?? factor * gradient
                }
            }
        }
        var objective = 0.0
        for (place, environment) in train.enumerated() {
            let (first, second) = [Minibatch].matched(minibatches[environment], minibatches[test[place % test.count]])
            let before = ParameterSnapshot(classifier.store)
            let loss = crossEntropy(classifier(first.inputs), first.labels)
            let inner = gradients(of: [loss], with: parameters)
            add(inner, scale)
            try TrainingStep(groups: training.optimizer.groups, settings: optimizer).apply(inner, step: step)
            let testLoss = crossEntropy(classifier(second.inputs), second.labels)
            add(gradients(of: [testLoss], with: parameters), settings.beta * scale)
            before.restoreParameters()
            objective += (loss.item() + settings.beta * testLoss.item()) * scale
        }
        try training.check(objective, "the loss", step: step)
        try training.apply(sums, step: step)
        return [Metric("loss", objective)]
    }
}
