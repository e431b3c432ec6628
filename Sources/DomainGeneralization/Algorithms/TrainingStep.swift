import Backbones
import Torch

/// How the optimiser of a run steps.
public struct OptimizerSettings: Sendable, Codable, Equatable {
    public var learningRate: Double
    public var weightDecay: Double

    public init(learningRate: Double = 5e-5, weightDecay: Double = 0) {
        self.learningRate = learningRate
        self.weightDecay = weightDecay
    }
}

/// The common part of every algorithm's update: zero the gradients, check the loss, go back through it, step Adam.
public final class TrainingStep {
    public let optimizer: Optimizer
    /// Whether a step stops before the gradient: then an update leaves the parameters as they are, and changes only what a
    /// forward pass changes.
    public var isHeld = false

    /// - Parameters:
    ///   - groups: trainable leaves; recording of their gradients is turned on.
    ///   - rule: how the optimiser steps.
    public init(groups: [ParameterGroup], settings: OptimizerSettings, rule: OptimizerRule = .adam()) {
        for group in groups {
            for parameter in group.parameters { parameter.requiresGrad = true }
        }
        optimizer = Optimizer(
            rule, groups: groups, learningRate: settings.learningRate, weightDecay: settings.weightDecay)
    }

    /// - Parameter parameters: trainable leaves; recording of their gradients is turned on.
    public convenience init(_ parameters: [Tensor], settings: OptimizerSettings, rule: OptimizerRule = .adam()) {
        self.init(groups: [ParameterGroup(parameters)], settings: settings, rule: rule)
    }

    /// For a whole classifier: its groups of layers, each at its own rate (``Classifier/parameterGroups``).
    public convenience init(_ classifier: Classifier, settings: OptimizerSettings, rule: OptimizerRule = .adam()) {
        self.init(groups: classifier.parameterGroups, settings: settings, rule: rule)
    }

    /// One optimiser step along the gradient of `loss`, a scalar tensor.
    /// - Parameter others: optimisers of other parameters that step along the same gradient.
    /// - Returns: the loss as a number.
    /// - Throws: ``NonFiniteError`` for a loss or a gradient that is not finite; the parameters are then as they were.
    @discardableResult
    public func minimise(_ loss: Tensor, with others: [TrainingStep] = [], step: Int) throws -> Double {
        let optimizers = [optimizer] + others.map(\.optimizer)
        let value = loss.item()
        try check(value, "the loss", step: step)
        guard !isHeld else { return value }
        for optimizer in optimizers { optimizer.zeroGrad() }
        loss.backward()
        try apply(optimizers, step: step)
        return value
    }

    /// One optimiser step along given gradients, one for each parameter; a parameter without one is left alone.
    /// - Throws: ``NonFiniteError`` for a gradient that is not finite; the parameters are then as they were.
    public func apply(_ gradients: [Tensor?], step: Int) throws {
        guard !isHeld else { return }
        for (parameter, gradient) in zip(optimizer.parameters, gradients) { parameter.grad = gradient }
        try apply([optimizer], step: step)
    }

    private func apply(_ optimizers: [Optimizer], step: Int) throws {
        let norm = gradientNorm(optimizers.flatMap(\.parameters)).item()
        try check(norm, "the gradient's norm", step: step)
        for optimizer in optimizers {
            optimizer.step()
            optimizer.zeroGrad()
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

    /// - Throws: ``UserError`` when the state belongs to another model.
    public func load(_ state: AlgorithmState, name: String) throws {
        try optimizer.load(state.part("optimizer"), name: name)
    }
}
