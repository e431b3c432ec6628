import DomainGeneralization
import Foundation
import Foundations
import Logging
import Torch

/// What a training takes on this machine, from a few of its steps.
public struct TrainingCost: Sendable, Equatable {
    /// Seconds that reading the images takes.
    public let loading: Double
    /// Seconds of the fastest and the slowest step that was tried.
    public let step: ClosedRange<Double>
    /// Steps that were timed.
    public let steps: Int
    /// Seconds of one evaluation, from a part of its images.
    public let evaluation: Double
    /// Memory at the peak so far, in bytes: of the accelerator, or of the process.
    public let peakBytes: Double

    /// The first steps are slower: libtorch prepares.
    private static let warmUp = 2
    /// As many steps as tell something, and no more than these seconds unless that takes them.
    private static let wanted = (fewest: 3, most: 12, seconds: 20.0)
    /// Images of an evaluation that are tried.
    private static let evaluated = 64

    /// Trains a few steps without keeping anything.
    /// - Parameter configuration: of an algorithm that needs no diffusion model.
    /// - Throws: `Interruption` after a signal; a one-line error for anything that cannot be used.
    init(
        of configuration: RunConfiguration, registry: AlgorithmRegistry, threads: Int,
        report: @escaping @Sendable (RunEvent) -> Void
    ) throws {
        let start = Date()
        let setup = try RunSetup(configuration, registry: registry, threads: threads, report: report)
        loading = Date().timeIntervalSince(start)
        let context = try setup.context(
            runDirectory: "", logger: Logger(label: "domainfusion") { _ in SwiftLogNoOpLogHandler() }, report: report)
        let algorithm = try setup.algorithm.make(setup.configuration.algorithm.hyperparameters, context: context)
        let trainer = Trainer(algorithm, context: context, loaderThreads: threads)
        var seconds: [Double] = []
        let begin = Date()
        func isEnough() -> Bool {
            Interruption.current != nil
                || seconds.count >= Self.warmUp + Self.wanted.fewest
                    && Date().timeIntervalSince(begin) > Self.wanted.seconds
        }
        let all = Self.warmUp + Self.wanted.most
        _ = try trainer.train(0..<all, shouldStop: isEnough) { step, metrics in
            if let time = metrics.first(where: { $0.name == "step_time" }) { seconds.append(time.value) }
            report(.step(step + 1, all, []))
        }
        try Interruption.poll()
        let timed = seconds.dropFirst(Self.warmUp).sorted()
        steps = timed.count
        step = (timed.first ?? 0)...(timed.last ?? 0)

        let parts = RunDomains(context).predictedParts.flatMap { $0 }
        let tried = Array(parts.prefix(Self.evaluated))
        // Once for libtorch to prepare.
        _ = try trainer.predictions(tried, poll: Interruption.poll)
        let before = Date()
        _ = try trainer.predictions(tried, poll: Interruption.poll)
        evaluation = Date().timeIntervalSince(before) * Double(parts.count) / Double(max(1, tried.count))
        peakBytes = PeakMemory.bytes(of: context.device)
    }

    /// A cost of these parts.
    init(loading: Double, step: ClosedRange<Double>, steps: Int, evaluation: Double, peakBytes: Double) {
        (self.loading, self.step, self.steps) = (loading, step, steps)
        (self.evaluation, self.peakBytes) = (evaluation, peakBytes)
    }

    /// The same with images of another size: most of the work is in proportion to their pixels.
    func scaled(from size: Int, to other: Int) -> TrainingCost {
        let factor = Double(other * other) / Double(size * size)
        return TrainingCost(
            loading: loading, step: step.lowerBound * factor...step.upperBound * factor, steps: steps,
            evaluation: evaluation * factor, peakBytes: peakBytes)
    }

    /// Seconds that a whole run takes, from all steps as fast as the fastest that was tried to all as slow as the slowest.
    func seconds(of configuration: RunConfiguration) -> ClosedRange<Double> {
        // The selected model is evaluated once more at the end.
        let evaluations = Double((configuration.steps - 1) / configuration.evaluateEvery + 2)
        let rest = loading + evaluations * evaluation
        let steps = Double(configuration.steps)
        return rest + steps * step.lowerBound...rest + steps * step.upperBound
    }

    /// Memory that a run takes: somewhat more than a few steps, for checkpoints and fragments.
    var memory: ClosedRange<Double> { peakBytes...1.25 * peakBytes }
}
