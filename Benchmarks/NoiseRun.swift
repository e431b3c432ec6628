import Backbones
import DomainGeneralization
import Foundation
import Foundations
import Logging
import Pixels
import Torch

/// What a training run needs, over images of noise: four domains and ten classes, EfficientNet-Lite0 on 64×64 pixels.
final class NoiseRun {
    let context: AlgorithmContext
    /// The first steps' minibatches, images channels-last.
    let minibatches: [[Minibatch]]
    private let folder: String

    /// - Parameter batchSize: images of each domain in a step.
    init(batchSize: Int) throws {
        folder = NSTemporaryDirectory() + "domainfusion-benchmark-\(ProcessInfo.processInfo.processIdentifier)"
        let classes = ["airplane", "bird", "car", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
        var generator = SeededGenerator(seed: 0)
        for domain in 0..<4 {
            for name in classes {
                let home = "\(folder)/data/domain\(domain)/\(name)"
                try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
                for number in 0..<2 {
                    let pixels = (0..<64 * 64 * 3).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
                    try PNG.write(RGBImage(width: 64, height: 64, pixels: pixels), to: "\(home)/\(number).png")
                }
            }
        }
        let dataset = try ImageFolder("\(folder)/data")
        let backbone = try Backbones.named("tf_efficientnet_lite0")
        let classCount = dataset.classes.count
        context = AlgorithmContext(
            dataset: dataset, split: Split(dataset, trialSeed: 0), sourceEnvironments: [0, 1, 2, 3],
            testEnvironments: [], images: try ImageCache(dataset, threads: 1),
            trainingPipeline: .training(size: 64), evaluationPipeline: .evaluation(size: 64), imageSize: 64,
            batchSize: batchSize, steps: 1000, optimizer: OptimizerSettings(learningRate: 1e-4), device: .cpu, seed: 0,
            runDirectory: folder, storeDirectory: "\(folder)/store",
            logger: Logger(label: "benchmarks") { _ in SwiftLogNoOpLogHandler() }
        ) { _ in try Classifier(backbone, classCount: classCount, seed: 0) }
        let loader = MinibatchLoader(context)
        minibatches = try (0..<4).map { step in
            try loader.minibatches(step: step).map { $0.to(.cpu, format: .channelsLast) }
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }
}
