import Diffusion
import DomainGeneralization
import Foundation
import Foundations
import Torch

/// Drives a `ModelTrainer`: log lines, checkpoints, evaluations; goes on where a killed run stopped.
public struct ModelTraining {
    /// The folder of `log.jsonl` and `checkpoint/`.
    public let folder: String
    /// Steps of the whole training.
    public let steps: Int
    /// Steps between two lines of the log.
    public var logEvery = 100
    /// Steps between two evaluations, each followed by a checkpoint.
    public var evaluateEvery = 1000
    /// Receives every line of the log.
    public var report: (String) -> Void = { print($0) }

    /// A training of so many steps, with its files in `folder`.
    public init(folder: String, steps: Int) {
        self.folder = folder
        self.steps = steps
    }

    private var checkpoints: CheckpointFolder { CheckpointFolder("\(folder)/checkpoint") }

    /// Trains until `steps`, or until `shouldStop`, and saves.
    /// - Parameter evaluate: further values for the log, by name.
    /// - Returns: whether the training is complete.
    public func run(
        _ trainer: some ModelTrainer, shouldStop: () -> Bool = { false }, evaluate: (Int) throws -> [(String, Double)]
    ) throws -> Bool {
        try AtomicFile.makeFolder(folder)
        let lock = try FolderLock(folder, option: "folder")
        let file = TrainingLogFile(path: "\(folder)/log.jsonl")
        var sums = try takeUp(trainer) ?? LogSums()
        try file.cut(after: trainer.step)
        var since = ContinuousClock.now
        var counted = 0
        var saved = trainer.step
        func save() throws {
            try lock.check()
            try self.save(trainer, sums)
        }
        func log(_ values: [(String, Double)]) throws {
            guard !values.isEmpty else { return }
            report(try file.add(step: trainer.step, images: trainer.step * trainer.batchSize, values))
        }
        while trainer.step < steps, !shouldStop() {
            sums.add(try trainer.advance().values)
            counted += 1
            if trainer.step % logEvery == 0 {
                let seconds = (ContinuousClock.now - since) / .seconds(1)
                try log(sums.means + [("images_per_second", Double(counted * trainer.batchSize) / seconds)])
                (sums, counted, since) = (LogSums(), 0, .now)
            }
            if trainer.step % evaluateEvery == 0 || trainer.step == steps {
                // The line comes before the checkpoint: a training that is killed between them writes it again.
                try log(try evaluate(trainer.step))
                (sums, counted) = (LogSums(), 0)
                try save()
                saved = trainer.step
                since = .now
            }
        }
        if saved != trainer.step { try save() }
        return trainer.step >= steps
    }

    private static let state = "state.json"
    private static let tensors = "training.safetensors"

    /// Goes on from the newest whole checkpoint; nil where there is none.
    private func takeUp(_ trainer: some ModelTrainer) throws -> LogSums? {
        let sums = try checkpoints.latest(warn: { Terminal.printError("warning: \($0)") }) { folder in
            guard let data = Files.contents("\(folder)/\(Self.state)"),
                let sums = try? JSONDecoder().decode(LogSums.self, from: data)
            else {
                throw UserError("\(folder)/\(Self.state): not a training's state; remove \(folder)")
            }
            try trainer.restore(from: "\(folder)/\(Self.tensors)")
            return sums
        }
        if sums != nil { report("going on from step \(trainer.step)") }
        return sums
    }

    private func save(_ trainer: some ModelTrainer, _ sums: LogSums) throws {
        try checkpoints.save(step: trainer.step) { folder in
            try trainer.save(to: "\(folder)/\(Self.tensors)")
            try AtomicFile.write(try JSONValue(encoding: sums).text + "\n", to: "\(folder)/\(Self.state)")
        }
        checkpoints.prune(keeping: [])
    }
}

/// Sums of what a training reports, since the last line of its log.
private struct LogSums: Codable {
    private var names: [String] = []
    private var sums: [Double] = []
    private var count = 0

    mutating func add(_ values: [(name: String, value: Double)]) {
        if names.isEmpty {
            names = values.map(\.name)
            sums = [Double](repeating: 0, count: names.count)
        }
        for (index, value) in values.enumerated() where index < sums.count { sums[index] += value.value }
        count += 1
    }

    /// The means, in the order in which the values are reported.
    var means: [(String, Double)] { zip(names, sums).map { ($0, $1 / Double(count)) } }
}
