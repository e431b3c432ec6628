import Foundation
import Foundations
import Torch

/// Drives an algorithm over the steps of a run and evaluates it on every environment. Keeps no files.
public final class Trainer {
    /// What is trained.
    public let algorithm: any Algorithm
    /// The data and settings of the run.
    public let context: AlgorithmContext
    /// Threads that prepare images ahead of their use.
    public let loaderThreads: Int
    private let loader: MinibatchLoader
    private let evaluator: Evaluator

    /// Drives an algorithm that was made of this context.
    public init(_ algorithm: any Algorithm, context: AlgorithmContext, loaderThreads: Int = 1) {
        self.algorithm = algorithm
        self.context = context
        self.loaderThreads = loaderThreads
        loader = MinibatchLoader(context)
        evaluator = Evaluator(context)
    }

    /// Trains until the end of `steps`, or until `shouldStop` says so between two steps or the algorithm is interrupted.
    /// - Parameter observe: called after each step with its number and its metrics.
    /// - Returns: the number of steps that the run has done.
    /// - Throws: what the algorithm throws; a one-line error for an image that can no longer be read or a failure in
    ///   libtorch, such as a lack of memory.
    public func train(
        _ steps: Range<Int>, shouldStop: () -> Bool = { false }, observe: (Int, [Metric]) throws -> Void
    ) throws -> Int {
        let batches = loader.prefetched(steps, threads: loaderThreads)
        defer { batches.stop() }
        algorithm.classifier.isTraining = true
        for step in steps {
            if shouldStop() { return step }
            let start = Date()
            let minibatches = try prepared(batches.next())
            let waited = Date()
            let metrics: [Metric]
            do {
                metrics = try update(minibatches, step: step)
            } catch is Interruption {
                return step
            } catch var error as NonFiniteError {
                error.items = minibatches.flatMap(\.items)
                throw error
            }
            let end = Date()
            try observe(
                step,
                metrics + [
                    Metric("step_time", end.timeIntervalSince(start)),
                    Metric("loading_seconds", waited.timeIntervalSince(start), .total),
                    Metric("training_seconds", end.timeIntervalSince(waited), .total),
                ])
        }
        try takeFirstStatistics()
        return steps.upperBound
    }

    /// One step, in parts where the run asks for them.
    private func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        defer { algorithm.training.part = .whole }
        return .combined(
            try (0..<context.accumulation).map { number in
                let part = StepPart(number, of: context.accumulation)
                seedClassifier(step, part: number)
                algorithm.training.part = part
                let own = part == .whole ? minibatches : minibatches.map { $0.part(part.share(of: $0.count)) }
                return try withTorchErrors { try algorithm.update(own, step: step) }
            })
    }

    /// Where batch norm's statistics are each process's own, those of the first are what is evaluated and kept.
    private func takeFirstStatistics() throws {
        let store = algorithm.classifier.store
        guard let group = context.group, store.batchNormGroup == nil else { return }
        try withTorchErrors { for entry in store.entries where !entry.isParameter { group.takeFirst(entry.tensor) } }
    }

    /// On the run's device, with frozen features where the classifier takes some.
    private func prepared(_ minibatches: [Minibatch]) -> [Minibatch] {
        minibatches.map { minibatch in
            let moved = minibatch.to(context.device, format: .channelsLast)
            return context.frozenFeatures?.joining(moved) ?? moved
        }
    }

    /// Dropout and stochastic depth draw numbers that depend on the seed, the step and its part alone.
    private func seedClassifier(_ step: Int, part: Int) {
        let draws = part == 0 ? "classifier" : "classifier, part \(part)"
        let seed = context.ownSeed(UInt64(seedHash(.int(context.seed), .string(draws), .int(step))))
        algorithm.classifier.generator.state = Generator(seed: seed, device: context.device).state
    }

    /// Accuracy and loss on the parts of all environments, under the keys of DomainBed's rows:
    /// ``ScoreKey``. A part without items is left out. `acc` is of the items as they are,
    /// as DomainBed's, with balanced classes too; `class_acc` weighs every class equally.
    /// - Parameters:
    ///   - includeSources: whether the training items of the sources are evaluated, too.
    ///   - poll: called between batches; what it throws ends the evaluation.
    public func evaluate(includeSources: Bool = true, poll: () throws -> Void = {}) throws -> [String: Double] {
        var result: [String: Double] = [:]
        for environment in context.dataset.environments.indices {
            let isSource = context.sourceEnvironments.contains(environment)
            let isTest = context.testEnvironments.contains(environment)
            var parts: [(ScoreKey.Part, [Int])] = [
                (.validation, context.split.validation[environment]),
                (.adaptation, context.split.adaptation[environment]), (.unseen, context.split.unseen[environment]),
            ]
            if includeSources || !isSource || isTest { parts.append((.training, context.split.training[environment])) }
            for (part, items) in parts {
                let score = try score(items, poll: poll)
                func set(_ measure: ScoreKey.Measure, _ value: Double?) {
                    result[ScoreKey(environment: environment, part, measure).name] = value
                }
                set(.accuracy, score.accuracy)
                set(.meanClassAccuracy, score.meanClassAccuracy)
                set(.loss, score.loss)
            }
        }
        return result
    }

    /// Computes the classifier's batch-norm statistics anew, for parameters that were not trained but averaged: as the mean
    /// over some of the run's steps, which are done once more without moving the parameters. So they are of what the
    /// algorithm shows its classifier (changed images, the domains one by one), not of the images as they are, as in SWAD's
    /// published code, whose runs freeze batch norm: MODE's averaged model lost 12 points that way. Does nothing where batch
    /// norm is frozen, or there is none.
    /// - Parameters:
    ///   - steps: the steps that are done once more.
    ///   - poll: called between steps; what it throws ends the work.
    /// - Throws: also what the algorithm throws.
    public func refreshBatchNorm(_ steps: Range<Int>, poll: () throws -> Void = {}) throws {
        let classifier = algorithm.classifier
        let isFrozen = classifier.options.backbone.freezeBatchNorm
        guard !isFrozen, classifier.store.entries.contains(where: { $0.name.hasSuffix("running_mean") }) else { return }
        let batches = loader.prefetched(steps, threads: loaderThreads)
        algorithm.training.isHeld = true
        defer {
            batches.stop()
            algorithm.training.isHeld = false
        }
        classifier.isTraining = true
        try classifier.store.averagingBatchNorm {
            for step in steps {
                try poll()
                let minibatches = try prepared(batches.next())
                _ = try update(minibatches, step: step)
            }
        }
        try takeFirstStatistics()
    }

    /// The mean over the source environments of the loss on their validation items; nil when there are none.
    /// - Parameter poll: called between batches; what it throws ends the evaluation.
    public func validationLoss(poll: () throws -> Void = {}) throws -> Double? {
        let losses = try context.sourceEnvironments.compactMap {
            try score(context.split.validation[$0], poll: poll).loss
        }
        return losses.isEmpty ? nil : losses.reduce(0, +) / Double(losses.count)
    }

    /// The predictions for items in evaluation; of several processes each makes its share.
    public func predictions(_ items: [Int], poll: () throws -> Void = {}) throws -> [Prediction] {
        guard let group = context.group else { return try ownPredictions(items, poll: poll) }
        let own = try ownPredictions(Array(items[group.share(of: items.count)]), poll: poll)
        return try withTorchErrors {
            group.gathered(own.map(\.numbers), width: Prediction.numberCount).map(Prediction.init(numbers:))
        }
    }

    private func ownPredictions(_ items: [Int], poll: () throws -> Void) throws -> [Prediction] {
        let algorithm = algorithm
        algorithm.classifier.isTraining = false
        return try withTorchErrors {
            try evaluator.predictions(
                items, threads: loaderThreads, predict: { algorithm.classifier.fused(algorithm.predict($0), $0) },
                poll: poll)
        }
    }

    private func score(_ items: [Int], poll: () throws -> Void) throws -> Score {
        Score(predictions: try predictions(items, poll: poll))
    }
}
