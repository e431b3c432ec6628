import DomainGeneralization
import Foundation
import Foundations
import Torch

/// A run's state after a number of steps, as it is saved.
public struct Checkpoint: Sendable {
    /// What is in `state.json`.
    public struct State: Codable, Sendable, Equatable {
        /// Number of steps that the run had done.
        public var step: Int
        /// The sums of what the run logs.
        public var metrics: MetricSums
        /// What the algorithm keeps beside tensors.
        public var algorithm: [String: JSONValue]
        /// The run's other files at that time; nil in a checkpoint of an earlier version.
        public var run: RunRecord?

        /// The state after a number of steps.
        public init(step: Int, metrics: MetricSums, algorithm: [String: JSONValue], run: RunRecord? = nil) {
            self.step = step
            self.metrics = metrics
            self.algorithm = algorithm
            self.run = run
        }
    }

    /// What is kept beside tensors.
    public let state: State
    /// The classifier's parameters and buffers.
    public let model: StateDict
    /// The optimiser's state and whatever else the algorithm keeps in tensors.
    public let optimizer: StateDict

    /// A checkpoint of these parts.
    public init(state: State, model: StateDict, optimizer: StateDict) {
        self.state = state
        self.model = model
        self.optimizer = optimizer
    }

    private static let model = "model.safetensors"
    private static let optimizer = "optimizer.safetensors"
    private static let state = "state.json"

    /// Reads what ``write(to:)`` wrote.
    /// - Throws: a one-line error naming a file that cannot be used.
    init(folder: String) throws {
        guard let text = Files.contents("\(folder)/\(Self.state)"),
            let state = try? JSONDecoder().decode(State.self, from: text), state.step >= 0
        else { throw UserError("\(folder)/\(Self.state): not a checkpoint's state; restore it from a copy") }
        self.init(
            state: state, model: try StateDict(safetensors: "\(folder)/\(Self.model)"),
            optimizer: try StateDict(safetensors: "\(folder)/\(Self.optimizer)"))
    }

    func write(to folder: String) throws {
        try model.write(safetensors: "\(folder)/\(Self.model)")
        try optimizer.write(safetensors: "\(folder)/\(Self.optimizer)")
        try AtomicFile.write(try JSONValue(encoding: state).text + "\n", to: "\(folder)/\(Self.state)")
    }
}

extension CheckpointFolder {
    /// Writes a run's checkpoint; see ``save(step:_:)``.
    public func save(_ checkpoint: Checkpoint) throws {
        try save(step: checkpoint.state.step, checkpoint.write)
    }

    /// Reads a run's checkpoint; see ``read(step:_:)``.
    public func read(_ step: Int) throws -> Checkpoint { try read(step: step, Checkpoint.init(folder:)) }

    /// A run's newest whole checkpoint; see ``latest(warn:_:)``.
    public func latest(warn: (String) -> Void) throws -> Checkpoint? {
        try latest(warn: warn, Checkpoint.init(folder:))
    }
}
