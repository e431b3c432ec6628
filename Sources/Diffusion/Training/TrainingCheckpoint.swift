import Foundation
import Torch

/// The whole state of a training in one file: models, averages, optimiser and step, written atomically.
struct TrainingCheckpoint {
    var step = 0
    private var state = StateDict()

    init(step: Int) {
        self.step = step
    }

    /// - Throws: `FileFormatError` or ``ModelError`` naming the file.
    init(path: String) throws {
        state = try StateDict(safetensors: path)
        guard let saved = state["step"], saved.count == 1, saved.dtype == .int64,
            let step = saved.scalars(Int.self).first, step >= 0
        else { throw ModelError(path: path, "not a training's state; restore it from a copy") }
        self.step = step
    }

    mutating func add(_ part: StateDict, prefix: String) {
        for name in part.names { state[prefix + name] = part[name] }
    }

    mutating func add(_ average: ParameterAverage, prefix: String) {
        for (index, tensor) in average.averages.enumerated() { state[prefix + String(index)] = tensor }
    }

    func part(_ prefix: String) -> StateDict {
        state.renamed { $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : nil }
    }

    func restore(_ average: ParameterAverage, prefix: String, path: String) throws {
        let part = self.part(prefix)
        for (index, tensor) in average.averages.enumerated() {
            guard let saved = part[String(index)], saved.shape == tensor.shape else {
                throw ModelError(path: path, "is the state of another model; restore it from a copy")
            }
            noGrad { tensor.copy_(saved) }
        }
    }

    func write(to path: String) throws {
        var all = state
        all["step"] = Tensor([Int64(step)], shape: [1])
        try all.write(safetensors: path)
    }
}

/// What a training reports of one step.
public struct TrainingReport: Sendable {
    /// Number of steps done, the reported one among them.
    public let step: Int
    /// Named scalars: losses, gradient norm.
    public let values: [(name: String, value: Double)]
}

/// A training that a loop can drive, save and resume. Random draws are a function of seed and step, so that a resumed
/// training goes on to the same numbers.
public protocol ModelTrainer: AnyObject {
    /// Steps done so far.
    var step: Int { get }
    /// Images in a batch.
    var batchSize: Int { get }
    /// One optimisation step.
    /// - Throws: `UserError` when the loss is not finite: the parameters are then as they were.
    func advance() throws -> TrainingReport
    /// Writes the whole state into one file, atomically.
    /// - Throws: `FileFormatError` where the file cannot be written.
    func save(to path: String) throws
    /// Takes up a state that ``save(to:)`` wrote.
    /// - Throws: a one-line error naming the file, which is damaged or belongs to another training.
    func restore(from path: String) throws
}

/// A generator for one step of a training.
func stepGenerator(seed: UInt64, step: Int) -> Generator {
    Generator(seed: seed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(step) &* 0xBF58_476D_1CE4_E5B9 &+ 1)
}
