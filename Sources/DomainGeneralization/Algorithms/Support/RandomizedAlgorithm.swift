/// An algorithm that chooses something at random in each step: what is chosen is apart from what is done with it, so that a
/// test can give the choices of a reference.
public protocol RandomizedAlgorithm: Algorithm {
    /// What is random in a step.
    associatedtype Draw: Codable & Sendable

    /// The choices of a step: a function of the run's seed and the step, see ``StepDraws``.
    func draw(for minibatches: [Minibatch], step: Int) -> Draw

    /// One optimisation step with given choices.
    func update(_ minibatches: [Minibatch], _ draw: Draw, step: Int) throws -> [Metric]
}

extension RandomizedAlgorithm {
    /// Draws the step's choices, then takes the step with them.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        try update(minibatches, draw(for: minibatches, step: step), step: step)
    }
}
