import DomainGeneralization
import Foundations
import Torch

/// Gives each image [n, 3, H, W] in 0…1 the probability that it shows its class.
public typealias ClassJudge = (_ images: Tensor, _ labels: [Int]) throws -> [Double]

/// A classifier that says which candidates still show their class. It must never have seen the unseen domain.
public struct CandidateJudge {
    /// A hash of its weights: synthetic sets depend on it.
    public let fingerprint: String
    /// The probability that each image shows its class.
    public let probabilities: ClassJudge

    /// A judge of this function.
    public init(fingerprint: String, probabilities: @escaping ClassJudge) {
        self.fingerprint = fingerprint
        self.probabilities = probabilities
    }

    /// Makes the judge that a setting names, for a run.
    public typealias Loader = @Sendable (_ setting: String, _ context: AlgorithmContext) throws -> CandidateJudge

    /// For programs that have no runs to take a judge from.
    /// - Throws: `UserError` for every setting.
    public static let none: Loader = { setting, _ in
        throw UserError("augmentation.judge: no run can be asked here (\(setting)); leave it empty")
    }
}
