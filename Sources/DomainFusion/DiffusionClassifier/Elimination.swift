import Foundations

/// When classes are dropped: after so many draws, all but the best so many.
public struct Elimination: Codable, Sendable, Equatable {
    /// One cut: after so many draws only so many classes stay.
    public struct Stage: Codable, Sendable, Equatable {
        /// Draws that each class has had.
        public let draws: Int
        /// Classes that stay.
        public let keep: Int
    }

    /// What a class was found by dropping the others.
    public struct Outcome: Equatable, Sendable {
        /// The class that is left.
        public let label: Int
        /// By how much each class's weighted errors are above those of the class that is left, over the draws that it had: at least 0.
        public let margins: [Double]
        /// The draws that each class had.
        public let draws: [Int]
        /// Evaluations of the U-Net.
        public let evaluations: Int
    }

    /// The cuts, fewest draws first.
    public let stages: [Stage]

    /// The cuts of a text: `4:5,8:2` keeps five classes after four draws and two after eight; an empty one cuts nothing.
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

    /// Asks about all classes, then about those alone that the cuts leave.
    /// - Parameters:
    ///   - classes: how many there are.
    ///   - draws: of each class that is left at the end.
    ///   - errors: the weighted errors of classes at some draws, a row a class.
    /// - Throws: what `errors` throws.
    public func outcome(
        classes: Int, draws: Int, errors: (_ classes: [Int], _ draws: Range<Int>) throws -> [[Double]]
    ) rethrows -> Outcome {
        var sums = [Double](repeating: 0, count: classes)
        var alive = Array(0..<classes)
        /// The sums at the end of each stage with the classes that it dropped, and the draws by then.
        var history: [(sums: [Double], dropped: [Int], draws: Int)] = []
        var (done, evaluations) = (0, 0)
        for stage in stages + [Stage(draws: draws, keep: 1)] {
            let end = min(stage.draws, draws)
            guard end > done, alive.count > 1 || done == 0 else { continue }
            for (label, row) in zip(alive, try errors(alive, done..<end)) { for error in row { sums[label] += error } }
            evaluations += alive.count * (end - done)
            done = end
            let order = alive.sorted { (sums[$0], $0) < (sums[$1], $1) }
            alive = Array(order.prefix(stage.keep))
            history.append((sums, Array(order.dropFirst(stage.keep)), done))
        }
        let label = alive.min { (sums[$0], $0) < (sums[$1], $1) } ?? 0
        var (margins, had) = ([Double](repeating: 0, count: classes), [Int](repeating: done, count: classes))
        for (sums, dropped, draws) in history + [(sums, alive, done)] {
            for other in dropped { (margins[other], had[other]) = (sums[other] - sums[label], draws) }
        }
        return Outcome(label: label, margins: margins, draws: had, evaluations: evaluations)
    }
}
