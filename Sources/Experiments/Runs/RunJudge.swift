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
        let model = try FinishedModel.load(path, for: context, role: "judge")
        return CandidateJudge(fingerprint: try fingerprint(path, step: model.step)) { images, labels in
            let candidates = images.rgbImages()
            return try stride(from: 0, to: labels.count, by: batch).flatMap { start in
                let range = start..<min(start + batch, labels.count)
                return try zip(model.probabilities(Array(candidates[range])), labels[range]).map { $0[$1] }
            }
        }
    }

    /// A hash of the weights of a run's checkpoint.
    static func fingerprint(_ path: String, step: Int) throws -> String {
        try SHA256Sum.of(file: "\(RunDirectory(existing: path).checkpoints.folder(step))/model.safetensors")
    }

    /// Images in one pass of the classifier.
    private static let batch = 64
}
