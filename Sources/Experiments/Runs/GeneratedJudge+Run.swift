import DomainFusion
import Foundations

extension GeneratedJudge {
    /// The classifier of a finished run as the judge of generated images.
    /// - Parameters:
    ///   - path: the run's folder.
    ///   - device: where it computes: `auto`, `cpu`, `cuda` …
    /// - Throws: a one-line error for a folder without a finished run, or an oracle, which has seen every domain.
    public init(run path: String, device: String = "auto", threads: Int) throws {
        let configuration = try FinishedModel.configuration(path, role: "judge")
        guard !configuration.oracle else {
            throw UserError("\(path): is an oracle, which has seen every domain; train a judge without --oracle")
        }
        let model = try TrainedModel(run: path, device: device, threads: threads)
        self.init(
            fingerprint: try RunJudge.fingerprint(path, step: model.step), classes: model.classes,
            heldOut: configuration.testDomains, probabilities: model.probabilities)
    }
}
