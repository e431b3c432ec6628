import Diffusion
import Foundation
import Torch

/// Drives a ``ModelTrainer``: log lines, checkpoints, evaluations; goes on where a killed run stopped.
public struct ModelTraining {
    /// The folder of `log.jsonl` and `checkpoint.safetensors`.
    public let folder: String
    public let steps: Int
    /// Steps between two lines of the log.
    public var logEvery = 100
    /// Steps between two evaluations, each followed by a checkpoint.
    public var evaluateEvery = 1000
    /// Receives every line of the log.
    public var report: (String) -> Void = { print($0) }

    public init(folder: String, steps: Int) {
        self.folder = folder
        self.steps = steps
    }

    private var checkpoint: String { "\(folder)/checkpoint.safetensors" }

    /// Trains until `steps`, or until `shouldStop`, and saves.
    /// - Parameter evaluate: further values for the log, by name.
    /// - Returns: whether the training is complete.
    public func run(
        _ trainer: some ModelTrainer, shouldStop: () -> Bool = { false }, evaluate: (Int) throws -> [(String, Double)]
    ) throws -> Bool {
        try AtomicFile.makeFolder(folder)
        if FileManager.default.fileExists(atPath: checkpoint) {
            try trainer.restore(from: checkpoint)
            report("going on from step \(trainer.step)")
        }
        var sums: [String: Double] = [:]
        var order: [String] = []
        var since = ContinuousClock.now
        var counted = 0
        var saved: Int?
        while trainer.step < steps, !shouldStop() {
            let result = try trainer.advance()
            if order.isEmpty { order = result.values.map(\.name) }
            for (name, value) in result.values { sums[name, default: 0] += value }
            counted += 1
            if trainer.step % logEvery == 0 {
                let seconds = (ContinuousClock.now - since) / .seconds(1)
                let means = order.map { ($0, sums[$0, default: 0] / Double(counted)) }
                let rate = Double(counted * trainer.batchSize) / seconds
                try log(trainer, means + [("images_per_second", rate)])
                sums = [:]
                counted = 0
                since = .now
            }
            if trainer.step % evaluateEvery == 0 || trainer.step == steps {
                try trainer.save(to: checkpoint)
                saved = trainer.step
                try log(trainer, try evaluate(trainer.step))
                since = .now
                counted = 0
                sums = [:]
            }
        }
        if saved != trainer.step { try trainer.save(to: checkpoint) }
        return trainer.step >= steps
    }

    private func log(_ trainer: some ModelTrainer, _ values: [(String, Double)]) throws {
        guard !values.isEmpty else { return }
        let pairs = values.map { "\"\($0.0)\": \(String(format: "%.6g", $0.1))" }.joined(separator: ", ")
        let line = "{\"step\": \(trainer.step), \"images\": \(trainer.step * trainer.batchSize), \(pairs)}"
        report(line)
        let path = "\(folder)/log.jsonl"
        let exists = FileManager.default.fileExists(atPath: path)
        guard exists || FileManager.default.createFile(atPath: path, contents: nil),
            let file = FileHandle(forWritingAtPath: path)
        else {
            throw FileFormatError(path: path, problem: "cannot be written", remedy: "check its permissions")
        }
        try file.seekToEnd()
        try file.write(contentsOf: Data((line + "\n").utf8))
        try file.close()
    }
}
