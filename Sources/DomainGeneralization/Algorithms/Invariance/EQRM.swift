import Backbones
import Foundations
import Torch

/// Empirical quantile risk minimisation (Eastwood and others, NeurIPS 2022): the loss is the α-quantile of the environments'
/// risks, by a kernel density estimate of their distribution; in the first steps their mean.
///
/// As in DomainBed, the quantile's gradient passes through the least and the largest risk and the bandwidth alone: it lies a
/// share of the way between two ends that they give, and the share is a constant. Adam begins anew at its own learning rate in
/// the very step that ends the first ones. Its random search draws their number with a fraction, which no step equals: then
/// Adam and the run's learning rate go on.
public final class EQRM: Algorithm {
    /// The settings of ``EQRM``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// α: which quantile of the risks is minimised.
        public var quantile = 0.75
        /// The first steps, in which the mean of the risks is minimised.
        public var burnInSteps = 2500.0
        /// Adam's learning rate after them.
        public var learningRate = 1e-6

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "quantile", \.quantile, "which quantile of the domains' risks is minimised", .within(1e-6...0.999999),
                search: .uniform(0.5, 0.99), domainBed: "eqrm_quantile"),
            Setting(
                "burnInSteps", \.burnInSteps, "steps with the mean of the risks; Adam begins anew after a whole number",
                .atLeast(0), search: .power(10, 2.5, 3.5), domainBed: "eqrm_burnin_iters", begins: "the quantile"),
            Setting(
                "learningRate", \.learningRate, "Adam's learning rate after them", .above(0),
                search: .power(10, -7, -5), domainBed: "eqrm_lr"),
        ]
    }

    /// How ``EQRM`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "EQRM", "A high quantile of the source domains' risks is minimised (Eastwood and others 2022).",
        paper: "https://arxiv.org/abs/2207.09944", Settings.self
    ) { try EQRM($0, context: $1) }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let settings: Settings
    private let quantile: RiskQuantile
    private let restart: OptimizerRestart?

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: `UserError` for a single source environment.
    public init(_ settings: Settings, context: AlgorithmContext) throws {
        guard context.trainingEnvironments.count > 1 else {
            throw UserError("EQRM takes two source domains or more; choose another algorithm")
        }
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
        quantile = RiskQuantile(settings.quantile)
        restart = Int(exactly: settings.burnInSteps).map {
            OptimizerRestart(at: $0, learningRate: settings.learningRate)
        }
    }

    /// One step along the mean or the quantile of the risks; logs `loss`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let logits = minibatches.map { classifier($0.inputs) }
        let risks = Tensor.stacked(zip(logits, minibatches).map { crossEntropy($0, $1.labels) })
        let loss = Double(step) < settings.burnInSteps ? risks.mean() : quantile(of: risks)
        restart?.prepare(training, step: step)
        return [Metric("loss", try training.minimise(loss, logits: .concatenated(logits), step: step))]
    }
}
