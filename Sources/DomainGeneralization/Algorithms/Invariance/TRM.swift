import Backbones
import Foundation
import Foundations
import Torch

/// Transfer risk minimisation (Xu and Jaakkola 2021): the best linear layer of each source domain is to do on the others, too.
/// With h_Q the layer of domain Q, α_Qi weights of the other domains, `P_Q = Σ_i α_Qi·CE_i(h_Q)` and H the Hessian of CE_Q(h_Q)
/// by its weight, `L = CE + 1/n · Σ_Q (P_Q − c · ⟨H⁻¹ ∂P_Q, ∂CE_Q(h_Q)⟩)`; the first factor is a constant. In the first steps
/// `L = CE`.
///
/// Before each step h_Q takes 30 steps of gradient descent at a rate of 0.1. α_Qi follows the losses, `α ← α·exp(η·α·CE_i)`,
/// and is normalised before a step. As in DomainBed, `H⁻¹ v` is `2·v₁ + v₂ + … + v₁₀` with `v_k = v_{k−1} − H v_{k−1}` (the
/// series begins with v, which its code overwrites by v₁), cut where an element exceeds 10, and the gradient of P_Q has the
/// weights after their change.
public final class TRM: Algorithm {
    /// The settings of ``TRM``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// c: weight of the alignment of the gradients.
        public var alignmentWeight = 1e-4
        /// The first steps, in which the cross-entropy alone counts.
        public var warmupSteps = 200
        /// η: step size of the domains' weights.
        public var eta = 0.01

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "alignmentWeight", \.alignmentWeight, "weight of the alignment of the gradients", .atLeast(0),
                search: .power(10, -5, 0), domainBed: "cos_lambda"),
            Setting(
                "warmupSteps", \.warmupSteps, "steps with the cross-entropy alone", .atLeast(0),
                search: .wholePower(10, 0, 4), domainBed: "iters", begins: "the transfer risk"),
            Setting(
                "eta", \.eta, "step size of the domains' weights", .atLeast(0), search: .power(10, -3, -1),
                domainBed: "groupdro_eta"),
        ]
    }

    /// How ``TRM`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "TRM", "The best linear layer of each source domain is to do on the others, too (Xu and Jaakkola 2021).",
        paper: "https://arxiv.org/abs/2110.09940", Settings.self
    ) { try TRM($0, context: $1) }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let settings: Settings
    /// h_Q.
    private let heads: [Linear]
    private let predictors: LearnedPart
    /// α, [environments, environments]; float64.
    private var weights: Tensor

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: `UserError` for a single source environment.
    public init(_ settings: Settings, context: AlgorithmContext) throws {
        let count = context.trainingEnvironments.count
        guard count > 1 else { throw UserError("TRM takes two source domains or more; choose another algorithm") }
        let classifier = try context.makeClassifier()
        self.classifier = classifier
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
        let store = ParameterStore(
            seed: UInt64(seedHash(.int(context.seed), "domains' predictors")), device: context.device)
        heads = (0..<count).map {
            Linear(store.root / $0, in: classifier.featureCount, out: classifier.classCount)
        }
        predictors = LearnedPart(store, optimizer: OptimizerSettings(learningRate: 0.1), rule: .sgd())
        weights = Tensor((0..<count * count).map { $0 % (count + 1) == 0 ? 0.0 : 1 }, shape: [count, count])
    }

    /// One step along the cross-entropy and, after the first steps, the transfer risk; logs `nll` and `trm_loss`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let features = classifier.features(minibatches.inputs)
        let logits = classifier.logits(features)
        let loss = crossEntropy(logits, minibatches.labels)
        guard step >= settings.warmupSteps else {
            try training.minimise(loss, logits: logits, step: step)
            return [Metric("nll", loss.item()), Metric("trm_loss", 0)]
        }
        let parts = zip(minibatches.split(features), minibatches).map { Part(features: $0, labels: $1.labels) }
        for _ in 0..<30 {
            try predictors.training.minimise(zip(heads, parts).map { $1.detached.risk($0) }.total, step: step)
        }
        var weights = normalised()
        let risks = parts.indices.map { transferRisk(of: $0, parts, &weights[$0]) }
        let scale = 1 / Double(parts.count)
        try training.minimise(loss + scale * risks.map(\.loss).total, logits: logits, step: step)
        self.weights = Tensor(weights.flatMap { $0 }, shape: self.weights.shape)
        return [
            Metric("nll", loss.item()), Metric("trm_loss", scale * risks.reduce(0) { $0 + $1.value }),
        ]
    }

    /// The features of one domain's images and their labels.
    private struct Part {
        let features, labels: Tensor

        var detached: Part { Part(features: features.detached(), labels: labels) }

        func risk(_ head: Linear) -> Tensor { crossEntropy(head(features), labels) }
    }

    /// α as numbers, each row with the sum 1.
    private func normalised() -> [[Double]] {
        (0..<weights.size(0)).map { row in
            let values = weights[row].scalars(Double.self)
            let sum = values.reduce(0, +)
            return values.map { $0 / sum }
        }
    }

    /// `P_Q − c · ⟨H⁻¹ ∂P_Q, ∂CE_Q(h_Q)⟩` of a domain.
    /// - Parameter weights: α of this domain, which is changed.
    /// - Returns: what is differentiated, whose weights are the changed ones, and its value with those before.
    private func transferRisk(of domain: Int, _ parts: [Part], _ weights: inout [Double]) -> (
        loss: Tensor, value: Double
    ) {
        let head = heads[domain]
        let others = parts.indices.filter { $0 != domain }
        let risks = others.map { parts[$0].risk(head) }
        let before = zip(others, risks).map { weights[$0] * $1 }.total
        func gradient(_ loss: Tensor, createGraph: Bool = false) -> Tensor {
            gradients(of: [loss], with: [head.weight], retainGraph: true, createGraph: createGraph)[0]
                ?? head.weight.detached().zerosLike()
        }
        let own = gradient(parts[domain].risk(head), createGraph: true)
        let change = inverseHessian(parts[domain].detached.risk(head), head.weight, gradient(before))
        let alignment = settings.alignmentWeight * (change * own).sum()
        for (place, risk) in zip(others, risks) {
            weights[place] *= exp(settings.eta * weights[place] * risk.item())
        }
        let after = zip(others, risks).map { weights[$0] * $1 }.total
        return (after - alignment, (before - alignment).item())
    }

    /// The product of the inverse Hessian of a loss by a weight with a tensor of the weight's shape, by ten terms of a series.
    private func inverseHessian(_ loss: Tensor, _ weight: Tensor, _ vector: Tensor) -> Tensor {
        guard let slope = gradients(of: [loss], with: [weight], createGraph: true)[0] else { return vector }
        var term = vector.detached()
        var sum: Tensor?
        for _ in 0..<10 {
            guard let product = gradients(of: [(slope * term).sum()], with: [weight], retainGraph: true)[0] else {
                break
            }
            let next = noGrad { term - product }
            term = next
            sum = noGrad { (sum ?? next) + next }
            if let sum, sum.abs().max().item() > 10 { break }
        }
        return sum ?? term
    }

    /// The optimiser's state, the domains' linear layers and the weights.
    public var state: AlgorithmState {
        var state = training.state.adding("predictors", predictors)
        state.tensors["weights"] = weights
        return state
    }

    /// Takes up what ``state`` has kept.
    /// - Parameter name: what errors call it, its path.
    /// - Throws: `UserError` when tensors are missing or have other shapes.
    public func load(_ state: AlgorithmState, name: String) throws {
        try training.load(state, name: name)
        try predictors.load("predictors", of: state, name: name)
        guard let saved = state.tensors["weights"], saved.shape == weights.shape else {
            throw UserError("\(name) has no weights for \(heads.count) source domains")
        }
        weights = saved.to(dtype: .float64).cloned()
    }
}
