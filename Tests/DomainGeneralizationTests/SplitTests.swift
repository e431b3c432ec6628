import Backbones
import Foundation
import Logging
import TestSupport
import Testing
import Torch

@testable import DomainGeneralization

/// Parts that numpy makes with DomainBed's seeds; places within an environment of ten items.
struct SplitTests {
    let dataset: ImageFolder
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        dataset = try ImageFolder(folder.makeDataset(count: 5))
    }

    @Test func splitsAsDomainBed() {
        let split = Split(dataset, trialSeed: 3)
        #expect(split.validation == [[3, 0], [12, 14], [27, 22]])
        #expect(split.training[0] == [8, 1, 2, 5, 9, 4, 7, 6])
        #expect(split.training[1] == [19, 10, 11, 18, 13, 15, 16, 17])
        #expect(split.adaptation == [[], [], []])
    }

    /// The *in* part of a test environment is shuffled again with the same seed, whether or not a part is kept.
    @Test func splitsATestEnvironmentAgain() {
        let whole = Split(dataset, trialSeed: 3, testEnvironments: [1])
        #expect(whole.validation[1] == [12, 14])
        #expect(whole.training[1] == [19, 11, 10, 13, 18, 15, 16, 17])
        #expect(whole.training[0] == Split(dataset, trialSeed: 3).training[0])
        let parts = Split(dataset, trialSeed: 3, testEnvironments: [1], adaptationFraction: 0.3)
        #expect(parts.adaptation == [[], [19, 11], []])
        #expect(parts.training[1] == [10, 13, 18, 15, 16, 17])
    }

    @Test func weighsClassesEqually() {
        let sixth = 1.0 / 6
        #expect(classBalancedWeights([4, 4, 4, 1]) == [sixth, sixth, sixth, 0.5])
        #expect(classBalancedWeights([]).isEmpty)
    }

    @Test func drawsClassesEqually() throws {
        // Nine cats and a dog in domain a.
        for index in 5..<13 { try folder.writeImage("set/a/cat/\(index).png", seed: 100 + index) }
        for index in 1..<5 { try FileManager.default.removeItem(atPath: "\(dataset.root)/a/dog/\(index).png") }
        let uneven = try ImageFolder(dataset.root)
        let backbone = try Backbones.named("tf_efficientnet_lite0")
        func dogs(_ isBalanced: Bool) throws -> Double {
            let split = Split(uneven, trialSeed: 0, holdoutFraction: 0, isClassBalanced: isBalanced)
            let context = AlgorithmContext(
                dataset: uneven, split: split, sourceEnvironments: [0], testEnvironments: [2],
                images: try ImageCache(uneven, threads: 1), trainingPipeline: .training(size: 32),
                evaluationPipeline: .evaluation(size: 32), imageSize: 32, batchSize: 100, steps: 4,
                optimizer: OptimizerSettings(), device: .cpu, seed: 0, runDirectory: folder.path,
                storeDirectory: folder.path, logger: Logger(label: "test")
            ) { _ in try Classifier(backbone, classCount: 2, seed: 0) }
            let loader = MinibatchLoader(context)
            let items = (0..<20).flatMap { loader.items(step: $0, environment: 0) }
            return Double(items.count { uneven.items[$0].label == 1 }) / Double(items.count)
        }
        #expect(abs(try dogs(true) - 0.5) < 0.05)
        #expect(abs(try dogs(false) - 1.0 / 14) < 0.03)
    }
}
