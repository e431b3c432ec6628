import DomainGeneralization
import Foundation
import Foundations
import Torch

/// The averaged model of a run: fed after every step, and evaluated once at the run's end.
///
/// Its results are in the last row of `results.jsonl` under the keys of the others with `average_` before them; its
/// parameters and batch-norm statistics in `average.safetensors`.
final class RunAverage {
    static let file = "average.safetensors"
    static let prefix = CheckpointRow.averagePrefix

    private let average: any WeightAverage
    private let settings: AveragingSettings
    /// Steps between two looks at the validation loss.
    let every: Int
    /// Steps done at the last look.
    private(set) var validatedStep = 0

    /// Nil when the configuration asks for no average.
    init?(_ configuration: RunConfiguration, parameters: [Tensor]) {
        guard let average = configuration.averaging.makeAverage(of: parameters, steps: configuration.steps) else {
            return nil
        }
        self.average = average
        settings = configuration.averaging
        every = settings.evaluateEvery > 0 ? settings.evaluateEvery : configuration.evaluateEvery
    }

    /// Warns of settings with which the average is unlikely to be worth anything.
    func warning(steps: Int) -> String? {
        let looks = steps / every
        guard settings.method == .swad, looks < settings.convergence + settings.tolerance else { return nil }
        return "SWAD looks at the validation loss \(looks) times in this run, and needs some "
            + "\(settings.convergence + settings.tolerance) or more; set --set averaging.evaluateEvery=\(max(1, steps / 50))"
    }

    /// Whether the validation loss after `step` steps is asked for.
    func isValidationDue(_ step: Int) -> Bool {
        settings.method == .swad && step > 0 && step % every == 0 && validatedStep != step
    }

    func update(step: Int) { average.update(step: step) }

    /// - Parameter step: steps done.
    func validated(loss: Double, step: Int) {
        average.validated(loss: loss, step: step - 1)
        validatedStep = step
    }

    /// Puts the average into the trainer's classifier, evaluates and saves it. The classifier keeps it.
    /// - Returns: the scores, under their keys, and what the user should know.
    func finish(
        _ trainer: Trainer, directory: RunDirectory, steps: Int, poll: () throws -> Void
    ) throws -> (scores: [String: Double], warning: String?) {
        let result = average.result()
        let store = trainer.algorithm.classifier.store
        noGrad { for (parameter, value) in zip(store.parameters, result.weights) { parameter.detached().copy_(value) } }
        try trainer.refreshBatchNorm(max(0, steps - settings.batchNormBatches)..<steps, poll: poll)
        var scores = try trainer.evaluate(includeSources: false, poll: poll)
        if !directory.isFollowed { try store.state.write(safetensors: "\(directory.path)/\(Self.file)") }
        if let range = result.steps {
            scores["start_step"] = Double(range.lowerBound)
            scores["end_step"] = Double(range.upperBound)
        }
        return (Dictionary(uniqueKeysWithValues: scores.map { (Self.prefix + $0.key, $0.value) }), result.warning)
    }

    // State

    func add(to state: inout AlgorithmState) {
        let own = average.state
        for name in own.tensors.names { state.tensors[name] = own.tensors[name] }
        state.json.merge(own.json) { $1 }
        state.json["average_validated"] = .int(validatedStep)
    }

    func load(_ state: AlgorithmState, name: String) throws {
        try average.load(state, name: name)
        validatedStep = state.json["average_validated"]?.int ?? 0
    }
}
