import Backbones
import DomainGeneralization
import Foundation
import Foundations
import Synchronization
import TestSupport
import Testing
import Torch

@testable import Experiments

/// A step whose loss is no number ends the run before it changes anything.
struct NonFiniteLossTests {
    let folder: TemporaryFolder
    let configuration: RunConfiguration

    init() throws {
        folder = try TemporaryFolder()
        var configuration = RunConfiguration()
        configuration.data = try folder.makeDataset(count: 4)
        configuration.testDomains = ["c"]
        configuration.backbone.weights = "none"
        configuration.imageSize = 32
        configuration.batchSize = 3
        configuration.steps = 4
        configuration.evaluateEvery = 4
        configuration.saveEvery = 2
        self.configuration = configuration
    }

    private func run(_ name: String, _ registry: AlgorithmRegistry) throws -> TrainingRun {
        try TrainingRun(
            configuration, folder: "\(folder.path)/\(name)", registry: registry, threads: 1, report: { _ in })
    }

    private func bytes(_ name: String) -> Data? { FileManager.default.contents(atPath: "\(folder.path)/\(name)") }

    @Test(arguments: [false, true]) func keepsTheLastCheckpointAndNamesTheImages(_ isGradient: Bool) throws {
        _ = try run("whole", .standard).run()
        let poison = Poison(isGradient: isGradient)
        let registry = AlgorithmRegistry([poison.description])
        let name = "\(folder.path)/poisoned"
        var training = try run("poisoned", registry) as TrainingRun?
        let context = try #require(training?.context)
        let error = try #require(throws: UserError.self) { try training?.run() }
        let quantity = isGradient ? "the gradient's norm" : "the loss"
        #expect(error.message.hasPrefix("\(quantity) is "))
        #expect(error.message.contains("at step 3, which changed nothing"))
        #expect(error.message.hasSuffix("its images are listed in \(name)/failed-batch.txt"))
        #expect(try String(contentsOfFile: "\(name)/failed", encoding: .utf8) == error.message + "\n")
        // The images that the step had.
        let listed = try String(contentsOfFile: "\(name)/failed-batch.txt", encoding: .utf8).split(separator: "\n")
        let loader = MinibatchLoader(context)
        let drawn = context.sourceEnvironments.flatMap { loader.items(step: 3, environment: $0) }
        #expect(drawn.count == 6)
        #expect(listed.map(String.init) == drawn.map { context.dataset.items[$0].path })
        #expect(training?.directory.checkpoints.steps == [2])

        training = nil  // and with it the folder's lock
        poison.isMended.store(true, ordering: .relaxed)
        _ = try run("poisoned", registry).run()
        #expect(bytes("whole/checkpoint/step-4/model.safetensors") != nil)
        #expect(
            bytes("poisoned/checkpoint/step-4/model.safetensors") == bytes("whole/checkpoint/step-4/model.safetensors"))
        #expect(bytes("poisoned/failed") == nil && bytes("poisoned/failed-batch.txt") == nil)
    }
}

/// ERM whose loss or gradient is no number at step 3 until it is mended.
private final class Poison: Sendable {
    let isMended = Atomic(false)
    let isGradient: Bool

    init(isGradient: Bool) {
        self.isGradient = isGradient
    }

    var description: AlgorithmDescription {
        AlgorithmDescription("ERM", "ERM that fails.", ERM.Settings.self) { _, context in
            PoisonedERM(try ERM(context: context), self)
        }
    }
}

private final class PoisonedERM: Algorithm {
    private let inner: ERM
    private let poison: Poison

    init(_ inner: ERM, _ poison: Poison) {
        self.inner = inner
        self.poison = poison
    }

    var classifier: Classifier { inner.classifier }
    var training: TrainingStep { inner.training }

    func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        guard step == 3, !poison.isMended.load(ordering: .relaxed) else {
            return try inner.update(minibatches, step: step)
        }
        let loss = crossEntropy(classifier(minibatches.images), minibatches.labels)
        // √0 has a finite value and an infinite gradient.
        let bad = poison.isGradient ? loss + (loss * 0).sqrt() : loss * .nan
        return [Metric("loss", try training.minimise(bad, step: step))]
    }
}
