/// A penalty whose weight jumps at a step. Adam begins anew there, since its moments are those of other gradients.
public struct AnnealedPenalty {
    /// Weight from step ``steps`` on.
    public let weight: Double
    /// The step from which on the whole weight counts.
    public let steps: Int
    /// The penalty's weight before that step.
    public let before: Double

    /// A weight that jumps once.
    /// - Parameters:
    ///   - weight: from step `steps` on.
    ///   - steps: before the jump.
    ///   - before: the weight in them.
    public init(weight: Double, steps: Int, before: Double) {
        self.weight = weight
        self.steps = steps
        self.before = before
    }

    /// The weight of a step, counted from 0.
    public func weight(at step: Int) -> Double { step >= steps ? weight : before }

    /// To be called before the update of a step.
    public func prepare(_ training: TrainingStep, step: Int) {
        OptimizerRestart(at: steps).prepare(training, step: step)
    }
}
