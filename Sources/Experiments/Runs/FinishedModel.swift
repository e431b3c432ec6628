import DomainGeneralization
import Foundations
import Torch

/// The classifier of a finished run that helps to train another: it must not have seen what that one holds out.
enum FinishedModel {
    /// The settings of a finished run.
    /// - Throws: a one-line error for a folder without a finished run.
    static func configuration(_ path: String, role: String) throws -> RunConfiguration {
        let run = try RunDirectory(existing: path)
        guard run.isDone else {
            throw UserError(
                "\(path): this run is not done; finish it with 'domainfusion train' before it is another's \(role)")
        }
        return try run.configuration()
    }

    /// - Parameters:
    ///   - context: of the run that it helps.
    ///   - role: what errors call it: judge, teacher.
    /// - Throws: a one-line error for a folder without a finished run, for other images or classes, or a run whose classifier may
    ///   have seen what `context`'s run holds out.
    static func load(_ path: String, for context: AlgorithmContext, role: String) throws -> TrainedModel {
        let configuration = try configuration(path, role: role)
        guard try RunDirectory(existing: path).recordedListing == context.dataset.listing else {
            throw UserError(
                "\(path): was trained on other images (\(configuration.data)) than those of \(context.dataset.root); train a "
                    + "\(role) on the same data")
        }
        let held = context.testEnvironments.map { context.dataset.environments[$0] }
        let seen = configuration.oracle ? held : held.filter { !configuration.testDomains.contains($0) }
        guard seen.isEmpty else {
            throw UserError(
                "\(path): has seen \(seen.joined(separator: ", ")), which this run holds out; train a \(role) with "
                    + held.map { "--test-domain \(shellQuoted($0))" }.joined(separator: " "))
        }
        let model = try TrainedModel(run: path, device: "\(context.device)", threads: Machine.threads)
        guard model.classes == context.classes else {
            throw UserError(
                "\(path): knows other classes (\(model.classes.joined(separator: ", "))); train another \(role)")
        }
        return model
    }
}
