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

    /// - Parameter parameters: trainable leaves; recording of their gradients is turned on.
    public init(_ parameters: [Tensor], settings: OptimizerSettings) {
        for parameter in parameters { parameter.requiresGrad = true }
        optimizer = Optimizer(
            .adam(), parameters, learningRate: settings.learningRate, weightDecay: settings.weightDecay)
    }

    /// One optimiser step along the gradient of `loss`, a scalar tensor.
    /// - Returns: the loss as a number.
    /// - Throws: ``NonFiniteError`` for a loss or a gradient that is not finite; the parameters are then as they were.
    @discardableResult
    public func minimise(_ loss: Tensor, step: Int) throws -> Double {
        let value = loss.item()
        try check(value, "the loss", step: step)
        optimizer.zeroGrad()
        loss.backward()
        try check(gradientNorm(optimizer.parameters).item(), "the gradient's norm", step: step)
        optimizer.step()
        optimizer.zeroGrad()
        return value
    }

    private func check(_ value: Double, _ what: String, step: Int) throws {
        guard value.isFinite else { throw NonFiniteError(what, value, step: step) }
    }

    /// The optimiser's state under `optimizer.…`.
    public var state: AlgorithmState {
        AlgorithmState(tensors: optimizer.state.renamed { "optimizer." + $0 })
    }

    /// - Throws: `TorchError` when the state belongs to another model.
    public func load(_ state: AlgorithmState, name: String) throws {
        let prefix = "optimizer."
        try optimizer.load(
            state.tensors.renamed { $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : nil }, name: name)
    }
}
