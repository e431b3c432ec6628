import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Torch

/// What a training does with a data set of many images, part by part: `Benchmarks large FOLDER SIZE`, one thread.
///
/// The loader draws from all images with equal chance, and reads and decodes each anew, as a training does whose images do not fit
/// into memory. Its peak is that of resident memory above what was before its first image.
enum LargeDataBenchmark {
    private static let batches = 32
    private static let batchSize = 32

    static func run(_ arguments: [String]) throws -> [Measurement] {
        guard arguments.count == 2, let size = Int(arguments[1]) else {
            throw UserError("usage: Benchmarks large FOLDER SIZE")
        }
        var dataset = try ImageFolder(arguments[0])
        let scan = try measuringMemory {
            try measure("large.scan", threads: 1, warmup: 0, repetitions: 3) { dataset = try ImageFolder(arguments[0]) }
        }
        let split = measure("large.split", threads: 1, warmup: 0, repetitions: 3) {
            _ = Split(dataset, trialSeed: 0, testEnvironments: [dataset.environments.count - 1])
        }
        let images = try ImageCache(dataset, sample: dataset.sample(1), threads: 1, budget: 0)
        let pipeline = ImagePipeline.training(size: size)
        var step = 0
        let loader = try measuringMemory {
            try measure(
                "large.loader.\(size)", threads: 1, warmup: 1, repetitions: 5, calls: batches * batchSize
            ) {
                for _ in 0..<batches {
                    var draw = SeededGenerator(seed: 0, domain: 0, step: step)
                    let decoded = try (0..<batchSize).map { _ in
                        try images.image(dataset.items[draw.below(dataset.items.count)])
                    }
                    _ = pipeline.tensor(decoded, size: size) {
                        SeededGenerator(seed: 0, domain: 0, step: step, index: $0 + 1)
                    }
                    step += 1
                }
            }
        }
        return [scan, split, loader]
    }
}
