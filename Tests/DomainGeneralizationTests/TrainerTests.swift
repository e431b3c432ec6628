import Backbones
import Foundation
import Logging
import Pixels
import TestSupport
import Testing
import Torch

@testable import DomainGeneralization

struct TrainerTests {
    let folder: TemporaryFolder
    let context: AlgorithmContext

    init() throws {
        folder = try TemporaryFolder()
        let dataset = try ImageFolder(folder.makeDataset(count: 5))
        let backbone = try Backbones.named("tf_efficientnet_lite0")
        context = AlgorithmContext(
            dataset: dataset, split: Split(dataset, trialSeed: 0), sourceEnvironments: [0, 1], testEnvironments: [2],
            images: try ImageCache(dataset, threads: 2), trainingPipeline: .training(size: 32),
            evaluationPipeline: .evaluation(size: 32), imageSize: 32, batchSize: 3, steps: 4,
            optimizer: OptimizerSettings(learningRate: 1e-3), device: .cpu, seed: 0, runDirectory: folder.path,
            storeDirectory: folder.path, logger: Logger(label: "test")
        ) { _ in try Classifier(backbone, classCount: 2, seed: 0) }
    }

    @Test func drawsMinibatchesAsAFunctionOfTheStep() throws {
        let loader = MinibatchLoader(context)
        let batches = loader.prefetched(3..<6, threads: 2)
        defer { batches.stop() }
        for step in 3..<6 {
            let ahead = try batches.next()
            let direct = try loader.minibatches(step: step)
            #expect(ahead.map(\.items) == direct.map(\.items))
            #expect(ahead.map(\.environment) == [0, 1])
            #expect(ahead.images.shape == [6, 3, 32, 32])
            #expect((ahead.images - direct.images).abs().max().item() == 0)
            for batch in ahead {
                #expect(Set(batch.items).isSubset(of: context.split.training[batch.environment]))
                #expect(batch.labels.scalars(Int.self) == batch.items.map { context.dataset.items[$0].label })
            }
        }
        #expect(try loader.minibatches(step: 0)[0].items != loader.minibatches(step: 1)[0].items)
    }

    @Test func evaluatesEveryPart() throws {
        let trainer = Trainer(try ERM(context: context), context: context)
        let scores = try trainer.evaluate(includeSources: false)
        #expect(scores["env0_out_acc"] != nil)
        #expect(scores["env0_in_acc"] == nil)
        #expect(scores["env2_in_acc"] != nil)
        #expect(scores["env0_unseen_acc"] == nil)
        #expect(try trainer.evaluate()["env0_in_acc"] != nil)
    }

    @Test func computesBatchNormStatisticsAnew() throws {
        let trainer = Trainer(try ERM(context: context), context: context)
        let store = trainer.algorithm.classifier.store
        let name = try #require(store.entries.first { $0.name.hasSuffix("running_mean") }?.name)
        func statistics() throws -> Tensor { try #require(store[name]).cloned() }
        // A cumulative mean: of two minibatches, it is the mean of what each gives alone.
        var alone: [Tensor] = []
        for step in 5..<7 {
            try trainer.refreshBatchNorm(step..<(step + 1))
            alone.append(try statistics())
        }
        try trainer.refreshBatchNorm(5..<7)
        #expect((try statistics() - (alone[0] + alone[1]) * 0.5).abs().max().item() < 1e-6)
        #expect((alone[0] - alone[1]).abs().max().item() > 1e-4)
    }

    @Test func stopsWhenAsked() throws {
        let trainer = Trainer(try ERM(context: context), context: context)
        var asked = 0
        let done = try trainer.train(
            0..<4,
            shouldStop: {
                asked += 1
                return asked == 2
            }
        ) { _, _ in }
        #expect(done == 1)
    }
}
