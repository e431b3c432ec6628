import Backbones
import DomainGeneralization
import Foundation
import Foundations
import Torch

/// The synthetic images of a training run: rounds of ``OnlineAugmentation`` when they are due, and a minibatch a step.
public final class SyntheticMinibatches: MinibatchSource {
    /// The synthetic images of one step.
    public struct Step {
        /// Augmented and normalised, on the run's device: [N, 3, H, W]; with frozen features, where the run has some.
        public let inputs: ClassifierInput
        /// Class indices [N].
        public let labels: Tensor
        /// Where each image comes from.
        public let records: [SyntheticSet.Record]
        /// What is logged of the step: seconds and images of a round that was due, and the shares of the round's images that
        /// have the source's content or stayed as they were.
        public let metrics: [Metric]
    }

    /// The metric that the first step of a round has, and no other: how many images were generated for it.
    public static let roundMetric = "images_generated"

    /// What makes the rounds' sets.
    public let augmentation: OnlineAugmentation
    private let context: AlgorithmContext
    private let ledger: RunLedger
    private var set: SyntheticSet?
    /// Makes the rounds after the set's, where the settings ask for that.
    private var ahead: RoundsAhead?
    /// The frozen features of the set's images, [images, width], where the run has some.
    private var frozenFeatures: Tensor?
    /// The items of the source images, by their names.
    private lazy var items = Dictionary(
        uniqueKeysWithValues: context.trainingItems.map { item in
            (context.dataset.relativePath(of: context.dataset.items[item]), item)
        })

    /// The synthetic images of a run, made as the settings say.
    /// - Parameter judge: makes the judge of the candidates that the settings ask for.
    /// - Throws: `UserError` where a step would come to more than one round; what the judge throws.
    public convenience init(
        _ settings: AugmentationSettings, _ diffusion: RunDiffusionModel, judge: CandidateJudge.Loader
    ) throws {
        let context = diffusion.context
        try self.init(
            OnlineAugmentation(
                settings, styles: diffusion.styleWords, model: diffusion.model, context: context,
                store: diffusion.store, judge: settings.judge.isEmpty ? nil : judge(settings.judge, context)),
            context: context, ledger: diffusion.ledger)
    }

    init(_ augmentation: OnlineAugmentation, context: AlgorithmContext, ledger: RunLedger) throws {
        guard augmentation.settings.everyEpochs * context.stepsPerEpoch >= 1 else {
            throw UserError(
                "augmentation.everyEpochs: \(augmentation.settings.everyEpochs) epochs are less than a step here; choose at "
                    + "least \(String(format: "%.2g", 1.05 / context.stepsPerEpoch)) for a round at every step")
        }
        guard context.group == nil || !augmentation.settings.ahead else {
            throw UserError(
                "augmentation.ahead: several processes make a round together, each its share; set it to false")
        }
        self.augmentation = augmentation
        self.context = context
        self.ledger = ledger
    }

    /// Ends the work on a round ahead that a run which ends early does not come to; what was made of it is in the store.
    deinit {
        guard let ahead else { return }
        ahead.stop()
        ledger.counts.add(work: ahead.work())
        try? ledger.write()
    }

    /// Each synthetic image counts to the environment of the source image that it was made of.
    public func minibatches(
        step: Int, part: StepPart, beside raw: [Minibatch]
    ) throws -> (minibatches: [Minibatch], metrics: [Metric]) {
        let all = try minibatch(step: step, part: part, raw: raw.map(\.count).reduce(0, +))
        let minibatches = try raw.map(\.environment).compactMap { environment -> Minibatch? in
            let rows = all.records.indices.filter { all.records[$0].environment == environment }
            guard !rows.isEmpty else { return nil }
            let index = Tensor(rows, device: context.device)
            return Minibatch(
                images: all.inputs.images.indexSelect(0, index).contiguous(.channelsLast),
                labels: all.labels.indexSelect(0, index), items: try rows.map { try item(all.records[$0].source) },
                environment: environment, frozenFeatures: all.inputs.frozenFeatures?.indexSelect(0, index),
                guests: all.inputs.guests.isEmpty ? [] : Array(rows.indices))
        }
        if part.isLast { try ledger.finish(step: step) }
        return (minibatches, all.metrics)
    }

    private func item(_ source: String) throws -> Int {
        guard let item = items[source] else {
            throw UserError(
                "the synthetic set has an image of \(source), which the run does not train on; start it with --restart")
        }
        return item
    }

    /// The synthetic images of a step; before the first one of a round, the round. A signal ends the work on it between two
    /// batches: the step is then not begun, and what was made is in the store.
    /// - Parameters:
    ///   - part: which part of this process's images the step is at.
    ///   - raw: the number of source images in the part.
    public func minibatch(step: Int, part: StepPart, raw: Int) throws -> Step {
        let settings = augmentation.settings
        let round = augmentation.round(step: step, stepsPerEpoch: context.stepsPerEpoch)
        let isFirst = step == 0 || augmentation.round(step: step - 1, stepsPerEpoch: context.stepsPerEpoch) != round
        let start = Date()
        let set = try current(round)
        var metrics = [Metric("generation_seconds", Date().timeIntervalSince(start), .total)]
        // By the step alone, so that a run that was killed counts each round once.
        metrics += [
            Metric("ola_source_content", set.sourceContentShare), Metric("ola_unchanged", set.unchangedShare),
        ]
        if isFirst, part.number == 0 {
            metrics.append(Metric(Self.roundMetric, Double(set.count * settings.candidates), .total))
        }
        let part = context.part(part)
        let size = max(1, Int((Double(raw * part.count) * settings.share / (1 - settings.share)).rounded()))
        guard size % part.count == 0 else {
            throw UserError(
                "augmentation.share: \(settings.share) makes \(size) synthetic images a step, which cannot be divided evenly "
                    + "into \(part.count) parts; choose another share, such as 0.5")
        }
        let batch = set.minibatch(
            step: step, size: size, part: part, seed: context.seed, pipeline: context.trainingPipeline,
            imageSize: context.imageSize)
        return Step(
            inputs: ClassifierInput(
                batch.images.to(device: context.device).contiguous(.channelsLast),
                frozenFeatures: frozenFeatures?.indexSelect(0, Tensor(batch.places, device: context.device)),
                guests: settings.batchNorm == .own ? Array(batch.places.indices) : []),
            labels: batch.labels.to(device: context.device), records: batch.places.map { set.records[$0] },
            metrics: metrics)
    }

    private func percent(_ share: Double) -> String { "\(Int((100 * share).rounded())) %" }

    private func current(_ round: Int) throws -> SyntheticSet {
        if let set, set.round == round { return set }
        let made = try made(round)
        try ledger.write()
        frozenFeatures = try context.frozenFeatures?.source.assignedFeatures(of: made.images, over: context.group)
            .to(device: context.device)
        context.logger.info(
            """
            augmentation round \(round): the source's content chosen for \(percent(made.sourceContentShare)) of the images, \
            \(percent(made.unchangedShare)) stayed as they were
            """)
        set = made
        let last = augmentation.round(step: context.steps - 1, stepsPerEpoch: context.stepsPerEpoch)
        if augmentation.settings.ahead, ahead == nil, round < last {
            ahead = RoundsAhead(augmentation, after: made, last: last)
        }
        return made
    }

    private var folder: String { "\(context.runDirectory)/synthetic" }

    private func made(_ round: Int) throws -> SyntheticSet {
        if let ahead, ahead.next == round {
            defer { ledger.counts.add(work: ahead.work()) }
            let made = try ahead.set()
            try augmentation.take(made, folder: folder, ledger: &ledger.counts)
            return made
        }
        var tenths = -1
        return try ledger.counting { counts in
            try augmentation.set(round: round, folder: folder, ledger: &counts) { done, all in
                try Interruption.poll()
                guard done * 10 / all != tenths else { return }
                tenths = done * 10 / all
                context.logger.info("augmentation round \(round): \(done) of \(all) images")
            }
        }
    }
}
