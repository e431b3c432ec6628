import DomainGeneralization
import Torch

/// The ledger of a run in progress, shared by all that use the diffusion model, and its file.
public final class RunLedger {
    /// What was used and made so far.
    public var counts: Ledger
    private let path: String
    private let steps: Int
    /// The processes whose work the first of them writes down.
    private let group: ProcessGroup?

    /// The ledger of a run, with what an earlier process of it counted.
    /// Goes on with the ledger in the run's folder.
    /// - Throws: `UserError` for a file that is no ledger.
    public init(_ context: AlgorithmContext) throws {
        path = "\(context.runDirectory)/ledger.json"
        steps = context.steps
        group = context.group
        counts = group?.isFirst ?? true ? try Ledger(path: path) : Ledger()
    }

    /// Writes the ledger after a step's work, now and then and at the end of the run.
    /// - Throws: a one-line error when the file cannot be written.
    func finish(step: Int) throws {
        if (step + 1) % 25 == 0 || step + 1 == steps { try write() }
    }

    /// Writes the ledger, with the work of all processes: all of them call this.
    /// - Throws: a one-line error when the file cannot be written; `TorchError` where a process is lost.
    public func write() throws {
        if let group {
            let all = try group.gathered(group.isFirst ? Ledger() : counts)
            guard group.isFirst else {
                counts = Ledger()
                return
            }
            for work in all { counts.add(work: work) }
        }
        try counts.write(to: path)
    }

    /// The result of work that may end early: what it took is counted all the same.
    func counting<Result>(_ work: (inout Ledger) throws -> Result) rethrows -> Result {
        do {
            return try work(&counts)
        } catch {
            if group?.isFirst ?? true { try? counts.write(to: path) }
            throw error
        }
    }

    /// The seconds that work before the first step took, over all starts of the run; nothing at later steps.
    func preparation(_ part: Preparation, step: Int) -> [Metric] {
        guard step == 0, let seconds = counts.seconds[part.rawValue] else { return [] }
        return [Metric("\(part.rawValue)_seconds", seconds, .total)]
    }

    /// What a ledger calls the work before the first step; a run's totals have it under `…_seconds`.
    public enum Preparation: String, CaseIterable {
        /// Tables of LD curves, for latent distillation in a curve mode.
        case curves
        /// The diffusion model's class probabilities, for posterior distillation.
        case posteriors
    }
}
