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
        let factors = times.map(weights.weight)
        let errors = errors(metric)
        var sums = [Double](repeating: 0, count: classCount)
        var alive = Array(0..<classCount)
        var (done, evaluations) = (0, 0)
        for stage in elimination.stages + [.init(draws: times.count, keep: 1)] {
            let end = min(stage.draws, times.count)
            guard end > done else { continue }
            for label in alive {
                for draw in done..<end { sums[label] += Double(errors[label][draw]) * factors[draw] }
            }
            evaluations += alive.count * (end - done)
            done = end
            alive = Array(alive.sorted { (sums[$0], $0) < (sums[$1], $1) }.prefix(stage.keep))
            if alive.count == 1 { break }
        }
        return (alive[0], evaluations)
    }

    private static func least(_ scores: [Double]) -> Int { scores.indices.min { scores[$0] < scores[$1] } ?? 0 }
}

/// When classes are dropped: after so many draws, all but the best so many.
public struct Elimination: Codable, Sendable, Equatable {
    /// One cut: after so many draws only so many classes stay.
    public struct Stage: Codable, Sendable, Equatable {
        /// Draws that each class has had.
        public let draws: Int
        /// Classes that stay.
        public let keep: Int
    }

    /// The cuts, fewest draws first.
    public let stages: [Stage]

    /// The cuts of a text: `4:5,8:2` keeps five classes after four draws and two after eight.
    /// - Throws: `UserError` for any other text, or cuts that keep more than those before.
    public init(_ text: String) throws {
        let pairs = text.split(separator: ",").map { part in part.split(separator: ":").map { Int($0) } }
        let stages = pairs.compactMap { pair -> Stage? in
            guard pair.count == 2, let draws = pair[0], let keep = pair[1], draws > 0, keep > 0 else { return nil }
            return Stage(draws: draws, keep: keep)
        }
        let rises = zip(stages, stages.dropFirst()).allSatisfy { $0.draws < $1.draws && $0.keep > $1.keep }
        guard stages.count == pairs.count, rises else {
            throw UserError(
                "'\(text)' says no elimination; write DRAWS:CLASSES with commas, more draws and fewer classes each time: "
                    + "4:5,8:2")
        }
        self.stages = stages
    }
}
