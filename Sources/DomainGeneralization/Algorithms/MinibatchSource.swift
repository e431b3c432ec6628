/// Images that an algorithm trains on beside those of the source environments, such as those that a diffusion model makes.
///
/// What it gives is a function of the seed and the step, so that a run that was killed goes on to the same numbers.
public protocol MinibatchSource: AnyObject {
    /// More images for a step, on the run's device, in minibatches of the source environments that they count to.
    /// - Parameters:
    ///   - part: which part of this process's images the step is at; all parts together have those of a step that is not divided.
    ///   - raw: the part's minibatches of source images.
    /// - Throws: `Interruption`, but only before anything has changed; a one-line error.
    func minibatches(
        step: Int, part: StepPart, beside raw: [Minibatch]
    ) throws -> (minibatches: [Minibatch], metrics: [Metric])
}
