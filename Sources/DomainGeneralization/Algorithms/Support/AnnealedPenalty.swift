/// A penalty whose weight jumps at a step. Adam begins anew there, since its moments are those of other gradients.
struct AnnealedPenalty {
    /// Weight from step ``steps`` on.
    let weight: Double
    /// Steps before the jump.
    let steps: Int
    /// Weight before the jump.
    let before: Double

    func weight(at step: Int) -> Double { step >= steps ? weight : before }

    /// To be called before the update of a step.
    func prepare(_ training: TrainingStep, step: Int) {
        if step == steps { training.optimizer.reset() }
    }
}
