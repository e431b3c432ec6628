import Foundation
import Foundations

/// The noise-prediction errors of one image under each class's prompt at several draws of time and noise, the same for all classes.
public struct ErrorTable: Codable, Sendable, Equatable {
    /// By what an error is measured.
    public enum Metric: String, Codable, CaseIterable, Sendable {
        /// The mean over the latents of |ε̂ − ε|.
        case l1
        /// The mean of (ε̂ − ε)².
        case l2
    }

    /// The time step of each draw, in the order in which they are asked for.
    public let times: [Int]
    /// Errors by class, then by draw.
    public let l1: [[Float]]
    /// Squared errors by class, then by draw.
    public let l2: [[Float]]

    /// A table of these errors.
    public init(times: [Int], l1: [[Float]], l2: [[Float]]) {
        self.times = times
        self.l1 = l1
        self.l2 = l2
    }

    /// Errors by class, then by draw.
    public func errors(_ metric: Metric) -> [[Float]] { metric == .l1 ? l1 : l2 }

    /// Number of classes.
    public var classCount: Int { l2.count }

    /// The sum over draws of weight · error for each class.
    public func scores(_ metric: Metric, weights: TimeWeights) -> [Double] {
        let factors = times.map(weights.weight)
        return errors(metric).map { row in zip(row, factors).reduce(0) { $0 + Double($1.0) * $1.1 } }
    }

    /// The class of the least error.
    public func prediction(_ metric: Metric, weights: TimeWeights) -> Int {
        Self.least(scores(metric, weights: weights))
    }

    /// The class that is left when the worst ones are dropped early: after each stage's draws only its best classes are asked about
    /// any more (Li and others 2023, algorithm 2).
    /// - Returns: the class, and how many evaluations of the U-Net that takes.
    public func prediction(
        _ metric: Metric, weights: TimeWeights, elimination: Elimination
    ) -> (label: Int, evaluations: Int) {
        let (factors, errors) = (times.map(weights.weight), errors(metric))
        let outcome = elimination.outcome(classes: classCount, draws: times.count) { classes, draws in
            classes.map { label in draws.map { Double(errors[label][$0]) * factors[$0] } }
        }
        return (outcome.label, outcome.evaluations)
    }

    private static func least(_ scores: [Double]) -> Int { scores.indices.min { scores[$0] < scores[$1] } ?? 0 }
}
