/// What a row calls a score: `env0_in_acc`, DomainBed's keys and ours.
public struct ScoreKey: Sendable {
    /// The part of an environment's items that was evaluated.
    public enum Part: String, Sendable {
        /// The training items; of a held-out environment those that DomainBed reports.
        case training = "in"
        /// The validation items.
        case validation = "out"
        /// The items kept for adaptation.
        case adaptation = "uda"
        /// The items that show what no domain has in training.
        case unseen
    }

    /// What was measured on a part's items.
    public enum Measure: String, Sendable {
        /// The share of items that are classified rightly.
        case accuracy = "acc"
        /// The mean over classes of their accuracies.
        case meanClassAccuracy = "class_acc"
        /// The mean cross-entropy of the labels.
        case loss
    }

    /// The key in a row: `env0_in_acc`.
    public let name: String

    /// The key of a score of an environment, counted from 0.
    public init(environment: Int, _ part: Part, _ measure: Measure) {
        name = "env\(environment)_\(part.rawValue)_\(measure.rawValue)"
    }
}
