import DomainGeneralization
import Foundation
import Foundations
import Torch

/// The synthetic images of a training run: rounds of ``OnlineAugmentation`` when they are due, and a minibatch a step.
public final class AugmentationTerm {
    /// The synthetic images of one step.
    public struct Step {
        /// Augmented and normalised, on the run's device: [N, 3, H, W].
        public let images: Tensor
        /// Class indices [N].
        public let labels: Tensor
        public let metrics: [Metric]
    }

    public let augmentation: OnlineAugmentation
    private let context: AlgorithmContext
    private var set: SyntheticSet?

    /// - Throws: `UserError` where a step would come to more than one round.
    public init(_ augmentation: OnlineAugmentation, context: AlgorithmContext) throws {
        guard augmentation.settings.everyEpochs * context.stepsPerEpoch >= 1 else {
            throw UserError(
                "augmentation.everyEpochs: \(augmentation.settings.everyEpochs) epochs are less than a step here; choose at "
                    + "least \(String(format: "%.2g", 1.05 / context.stepsPerEpoch)) for a round at every step")
        }
        self.augmentation = augmentation
        self.context = context
    }

    /// The synthetic minibatch of a step; before the first one of a round, the round.
    /// - Parameters:
    ///   - raw: the number of source images in the step.
    ///   - ledger: counts the round; written to the run's `ledger.json` after each.
    ///   - poll: called between batches of generation; what it throws ends the work.
    public func minibatch(
        step: Int, raw: Int, ledger: inout Ledger, poll: () throws -> Void = {}
    ) throws -> Step {
        let settings = augmentation.settings
        let round = augmentation.round(step: step, stepsPerEpoch: context.stepsPerEpoch)
        let isFirst = step == 0 || augmentation.round(step: step - 1, stepsPerEpoch: context.stepsPerEpoch) != round
        let start = Date()
        let set = try current(round, ledger: &ledger, poll: poll)
        var metrics = [Metric("generation_seconds", Date().timeIntervalSince(start), .total)]
        // By the step alone, so that a run that was killed counts each round once.
        if isFirst { metrics.append(Metric("images_generated", Double(set.count * settings.candidates), .total)) }
        let size = max(1, Int((Double(raw) * settings.share / (1 - settings.share)).rounded()))
        let batch = set.minibatch(
            step: step, size: size, seed: context.seed, pipeline: context.trainingPipeline, imageSize: context.imageSize
        )
        return Step(
            images: batch.images.to(device: context.device).contiguous(.channelsLast),
            labels: batch.labels.to(device: context.device), metrics: metrics)
    }

    private func current(_ round: Int, ledger: inout Ledger, poll: () throws -> Void) throws -> SyntheticSet {
        if let set, set.round == round { return set }
        var tenths = -1
        let folder = "\(context.runDirectory)/synthetic"
        let made = try augmentation.set(round: round, folder: folder, ledger: &ledger) { done, all in
            try poll()
            guard done * 10 / all != tenths else { return }
            tenths = done * 10 / all
            context.logger.info("augmentation round \(round): \(done) of \(all) images")
        }
        try ledger.write(to: "\(context.runDirectory)/ledger.json")
        set = made
        return made
    }
}
