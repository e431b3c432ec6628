import Backbones
import Torch

/// How the optimiser of a run steps.
public struct OptimizerSettings: Sendable, Equatable {
    /// Adam's learning rate; where it falls, the first step's.
    public var learningRate: Double
    /// Adam's weight decay, added to the gradient; 0 is none.
    public var weightDecay: Double
    /// The factor on the learning rate in each step of the run.
    public var schedule: LearningRateSchedule

    /// DomainBed's defaults for images that are photographs: 5e-5 throughout, and no decay of the weights.
    public init(
        learningRate: Double = 5e-5, weightDecay: Double = 0, schedule: LearningRateSchedule = .constant
    ) {
        self.learningRate = learningRate
        self.weightDecay = weightDecay
        self.schedule = schedule
    }
}

/// The common part of every algorithm's update: zero the gradients, check the loss, go back through it, step Adam.
public final class TrainingStep {
    /// The optimiser that steps.
    public let optimizer: Optimizer
    /// The first step's learning rate, from which the run's schedule goes on.
    public var learningRate: Double
    private let schedule: LearningRateSchedule
    /// Whether a step stops before the gradient: then an update leaves the parameters as they are, and changes only what a
    /// forward pass changes.
    public var isHeld = false

    /// Which part of this process's images of a step the next loss is of: the gradients of the parts add up, and the optimiser
    /// steps at the last.
    public internal(set) var part = StepPart.whole

    /// Averages the gradients over processes that train together; nil for one alone.
    private var reducer: GradientReducer?

    /// What is added to the next loss; ``ExtendedAlgorithm`` sets it for the time of an update.
    var addedLoss: AddedLoss?

    /// An optimiser of several groups of parameters.
    /// - Parameters:
    ///   - groups: trainable leaves; recording of their gradients is turned on.
    ///   - rule: how the optimiser steps.
    public init(groups: [ParameterGroup], settings: OptimizerSettings, rule: OptimizerRule = .adam()) {
        for group in groups {
            for parameter in group.parameters { parameter.requiresGrad = true }
        }
        learningRate = settings.learningRate
        schedule = settings.schedule
        optimizer = Optimizer(
            rule, groups: groups, learningRate: settings.learningRate, weightDecay: settings.weightDecay)
    }

    /// An optimiser of one group of parameters.
    /// - Parameter parameters: trainable leaves; recording of their gradients is turned on.
    public convenience init(_ parameters: [Tensor], settings: OptimizerSettings, rule: OptimizerRule = .adam()) {
        self.init(groups: [ParameterGroup(parameters)], settings: settings, rule: rule)
    }

    /// For a whole classifier: its groups of layers, each at its own rate (`Classifier.parameterGroups`).
    public convenience init(_ classifier: Classifier, settings: OptimizerSettings, rule: OptimizerRule = .adam()) {
        self.init(groups: classifier.parameterGroups, settings: settings, rule: rule)
    }

    /// From now on the gradient and the loss are their means over the processes of a group, and so the step the same in all.
    /// The parameters become those of the first process.
    public func join(_ group: ProcessGroup) {
        noGrad { for parameter in optimizer.parameters { group.takeFirst(parameter.detached()) } }
        reducer = GradientReducer(optimizer.parameters, over: group)
    }

    /// One optimiser step along the gradient of `loss`, a scalar tensor.
    /// - Parameters:
    ///   - logits: the classifier's of all images of the step, as they are and in their order [N, classes], where the algorithm
    ///     has them: ``LossTerm`` takes them in place of another pass through the network.
    ///   - others: optimisers of other parameters that step along the same gradient.
    /// - Returns: the loss as a number, with the terms that were added to it.
    /// - Throws: ``NonFiniteError`` for a loss or a gradient that is not finite; the parameters are then as they were.
    @discardableResult
    public func minimise(
        _ loss: Tensor, logits: Tensor? = nil, with others: [TrainingStep] = [], step: Int
    ) throws -> Double {
        let added = isHeld ? nil : try addedLoss?.loss(logits: logits)
        let loss = added.map { loss + $0.loss } ?? loss
        let others = others + (added?.others ?? [])
        let value = reducer?.group.mean(loss.item()) ?? loss.item()
        try check(value, "the loss", step: step)
        guard !isHeld else { return value }
        if part.number == 0 { for one in [self] + others { one.optimizer.zeroGrad() } }
        // Gradients that were not prepared for are this process's own until the last part's.
        if part.isLast { reducer?.prepare() }
        (part == .whole ? loss : loss / Double(part.count)).backward()
        if part.isLast { try apply(with: others, step: step) }
        return value
    }

    /// One optimiser step along given gradients, one for each parameter; a parameter without one is left alone.
    /// - Throws: ``NonFiniteError`` for a gradient that is not finite; the parameters are then as they were.
    public func apply(_ gradients: [Tensor?], step: Int) throws {
        guard !isHeld else { return }
        let parameters = optimizer.parameters
        let added = try addedLoss?.loss(logits: nil)
        let others = added?.others ?? []
        let learned = others.flatMap(\.optimizer.parameters)
        let more = added.map { Torch.gradients(of: [$0.loss], with: parameters + learned) }
        for (index, parameter) in parameters.enumerated() {
            let terms = [gradients[index], more?[index]].compactMap { $0 }
            parameter.grad = terms.count > 1 ? noGrad { terms[0] + terms[1] } : terms.first
        }
        for (index, parameter) in learned.enumerated() { parameter.grad = more?[parameters.count + index] }
        try apply(with: others, step: step)
    }

    private func apply(with others: [TrainingStep] = [], step: Int) throws {
        let all = [self] + others
        let norm = gradientNorm(all.flatMap(\.optimizer.parameters)).item()
        try check(norm, "the gradient's norm", step: step)
        for one in all {
            one.optimizer.learningRate = one.learningRate * one.schedule.factor(step)
            one.optimizer.step()
            one.optimizer.zeroGrad()
        }
    }

    /// - Throws: ``NonFiniteError`` for a value that is not finite.
    func check(_ value: Double, _ what: String, step: Int) throws {
        guard value.isFinite else { throw NonFiniteError(what, value, step: step) }
    }

    /// The optimiser's state under `optimizer.…`.
    public var state: AlgorithmState {
        AlgorithmState().adding("optimizer", optimizer.state)
    }

    /// Takes up the optimiser's state.
    /// - Throws: `UserError` when the state belongs to another model.
    public func load(_ state: AlgorithmState, name: String) throws {
        try optimizer.load(state.part("optimizer"), name: name)
    }
}
