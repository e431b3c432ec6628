/// A step at which an algorithm's loss becomes another one: Adam begins anew there, since its moments are those of other
/// gradients, and may take another learning rate from there on.
public struct OptimizerRestart {
    /// The step, counted from 0.
    public let step: Int
    /// The learning rate from that step on; nil leaves the run's.
    public let learningRate: Double?

    /// A restart at a step.
    /// - Parameter learningRate: the rate from that step on; nil leaves the run's.
    public init(at step: Int, learningRate: Double? = nil) {
        self.step = step
        self.learningRate = learningRate
    }

    /// To be called before the update of a step.
    public func prepare(_ training: TrainingStep, step: Int) {
        if step == self.step { training.optimizer.reset() }
        if step >= self.step, let learningRate { training.learningRate = learningRate }
    }
}
