import DomainFusion
import DomainGeneralization
import Foundation
import Foundations
import Torch

/// The classifier of a finished run as the judge of another run's candidates.
enum RunJudge {
    /// - Throws: a one-line error for a folder without a finished run, or a run whose classifier may have seen what
    ///   `context`'s run holds out.
    static func load(_ path: String, for context: AlgorithmContext) throws -> CandidateJudge {
        let run = try RunDirectory(existing: path)
        guard run.isDone else {
            throw UserError(
                "\(path): this run is not done; finish it with 'domainfusion train' before it judges another")
        }
        let configuration = try run.configuration()
        guard run.recordedListing == context.dataset.listing else {
            throw UserError(
                "\(path): was trained on other images (\(configuration.data)) than those of \(context.dataset.root); train a "
                    + "judge on the same data")
        }
        let held = context.testEnvironments.map { context.dataset.environments[$0] }
        let seen = configuration.oracle ? held : held.filter { !configuration.testDomains.contains($0) }
        guard seen.isEmpty else {
            throw UserError(
                "\(path): has seen \(seen.joined(separator: ", ")), which this run holds out; train a judge with "
                    + held.map { "--test-domain \(shellQuoted($0))" }.joined(separator: " "))
        }
        let model = try TrainedModel(run: path, device: "\(context.device)", threads: Machine.threads)
        guard model.classes == context.classes else {
            throw UserError(
                "\(path): knows other classes (\(model.classes.joined(separator: ", "))); train another judge")
        }
        let weights = "\(run.checkpoints.folder(model.step))/model.safetensors"
        return CandidateJudge(fingerprint: try SHA256Sum.of(file: weights)) { images, labels in
            let candidates = images.rgbImages()
            return try stride(from: 0, to: labels.count, by: batch).flatMap { start in
                let range = start..<min(start + batch, labels.count)
                return try zip(model.probabilities(Array(candidates[range])), labels[range]).map { $0[$1] }
            }
        }
    }

    /// Images in one pass of the classifier.
    private static let batch = 64
}
