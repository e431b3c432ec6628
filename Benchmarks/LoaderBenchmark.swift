import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Torch

/// Seconds an image from file to minibatch: read, decode, DomainBed's training transforms, normalise; batches of 32.
enum LoaderBenchmark {
    /// `Benchmarks loader FOLDER SIZE`: with one thread and with two.
    static func run(_ arguments: [String]) throws -> [Measurement] {
        guard arguments.count == 2, let size = Int(arguments[1]) else {
            throw UserError("usage: Benchmarks loader FOLDER SIZE")
        }
        let paths = try ImageFolder(arguments[0]).items.map(\.path)
        let pipeline = ImagePipeline.training(size: size)
        let batchSize = 32
        let batchesPerPass = 16
        return try [1, 2].map { threads in
            let batches = Prefetcher(threads: threads, ahead: 2 * threads) { step in
                var draw = SeededGenerator(seed: 0, domain: 0, step: step)
                let images = try (0..<batchSize).map { _ in try ImageFile.decode(paths[draw.below(paths.count)]) }
                return pipeline.tensor(images, size: size) {
                    SeededGenerator(seed: 0, domain: 0, step: step, index: $0 + 1)
                }
            }
            defer { batches.stop() }
            return try measure(
                "loader.\(size).\(threads)", threads: threads, warmup: 1, repetitions: 3,
                calls: batchesPerPass * batchSize
            ) {
                for _ in 0..<batchesPerPass { _ = try batches.next() }
            }
        }
    }
}
