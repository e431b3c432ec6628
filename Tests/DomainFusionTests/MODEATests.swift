import Backbones
import Diffusion
import DomainGeneralization
import Foundation
import Logging
import Pixels
import TestSupport
import Testing
import Torch

@testable import DomainFusion

struct MODEATests {
    private let vae: any LatentAutoencoder
    private let minibatches: [Minibatch]

    init() throws {
        vae = try tinyModel("sd1").vae
        minibatches = (0..<2).map { domain in
            Minibatch(
                images: Tensor.randn([4, 3, 32, 32], generator: Generator(seed: UInt64(domain))) * 0.5,
                labels: Tensor([0, 1, 0, 1]), items: [0, 1, 2, 3], environment: domain)
        }
    }

    private func algorithm(_ folder: String, _ change: (inout StyleExplorationSettings) -> Void) throws -> MODEA {
        for domain in ["a", "b"] {
            for label in ["cat", "dog"] {
                let path = "\(folder)/set/\(domain)/\(label)"
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
                try PNG.write(RGBImage(width: 32, height: 32, fill: .white), to: "\(path)/0.png")
            }
        }
        let dataset = try ImageFolder("\(folder)/set")
        let backbone = try Backbones.named("tf_efficientnet_lite0")
        let context = AlgorithmContext(
            dataset: dataset, split: Split(dataset, trialSeed: 0), sourceEnvironments: [0, 1], testEnvironments: [],
            images: try ImageCache(dataset, threads: 1), trainingPipeline: .training(size: 32),
            evaluationPipeline: .evaluation(size: 32), imageSize: 32, batchSize: 4, steps: 4,
            optimizer: OptimizerSettings(learningRate: 1e-3), device: .cpu, seed: 0, runDirectory: folder,
            storeDirectory: folder, logger: Logger(label: "test")
        ) { _ in
            // Frozen statistics: an image's logits do not depend on the others, nor on training or evaluation.
            let options = Classifier.Options(backbone: BackboneOptions(freezeBatchNorm: true))
            return try Classifier(backbone, classCount: 2, options: options, seed: 3)
        }
        var settings = MODEA.Settings()
        change(&settings.exploration)
        return try MODEA(settings, context: context, vae: vae)
    }

    private func metrics(
        bank: [[Int]], _ change: @escaping (inout StyleExplorationSettings) -> Void
    ) throws -> (values: [String: Double], classifier: Classifier) {
        try withTemporaryFolder { folder in
            let algorithm = try algorithm(folder) {
                $0.styles = bank.count
                change(&$0)
            }
            let found = try algorithm.update(minibatches, bank, step: 0)
            return (Dictionary(uniqueKeysWithValues: found.map { ($0.name, $0.value) }), algorithm.classifier)
        }
    }

    /// The loss of images that pass through the autoencoder, before the update.
    private func expectedLoss(_ change: (Tensor) -> Tensor) throws -> Double {
        let backbone = try Backbones.named("tf_efficientnet_lite0")
        let classifier = try Classifier(backbone, classCount: 2, seed: 3)
        let normalization = Normalization.imageNet
        let mean = Tensor(normalization.mean, shape: [1, 3, 1, 1])
        let deviation = Tensor(normalization.deviation, shape: [1, 3, 1, 1])
        return classifier.evaluating {
            let maps = vae.encode((minibatches.images * deviation + mean) * 2 - 1)
            let pixels = vae.decode(change(maps)) * 0.5 + 0.5
            return crossEntropy(classifier((pixels - mean) / deviation), minibatches.labels).item()
        }
    }

    @Test func mixesTheStylesOfABank() throws {
        // Without ascent the style is the mean of the bank's.
        let bank = [Array(0..<8), [3, 2, 1, 0, 5, 6, 7, 4]]
        let (values, _) = try metrics(bank: bank) {
            $0.steps = 0
            $0.gamma = 0.6
            $0.beta = 0.3
        }
        let loss = try expectedLoss { maps in
            let mean = maps.mean([2, 3], keepDimensions: true)
            let deviation = (maps.variance([2, 3], correction: 0, keepDimensions: true) + 1e-5).sqrt()
            let other = Tensor(bank[1])
            func mixed(_ value: Tensor) -> Tensor { (value + value.indexSelect(0, other)) * 0.5 }
            return 0.6 * ((maps - mean) / deviation * mixed(deviation) + mixed(mean)) + 0.4 * maps
        }
        let explored = try #require(values["explored_loss"])
        #expect(abs(explored - loss) < 1e-4 * loss)
        let raw = try #require(values["raw_loss"])
        #expect(abs((values["loss"] ?? 0) - (0.7 * raw + 0.3 * explored)) < 1e-6)
    }

    @Test func findsHarderStyles() throws {
        let bank = [Array(0..<8), [3, 2, 1, 0, 5, 6, 7, 4], [4, 5, 6, 7, 0, 1, 2, 3]]
        func explored(_ steps: Int) throws -> Double {
            let loss = try metrics(bank: bank) {
                $0.steps = steps
                $0.stepSize = 0.02
            }.values["explored_loss"]
            return try #require(loss)
        }
        #expect(try explored(8) > explored(0))
    }
}
