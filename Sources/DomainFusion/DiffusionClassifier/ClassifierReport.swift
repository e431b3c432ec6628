import Foundation

/// How well a diffusion model classifies: by squared or absolute errors, with all times alike or weighed as fitted on the sources,
/// with and without dropping classes early.
public struct ClassifierReport: Codable, Sendable, Equatable {
    /// An image that was asked about.
    public struct Sample: Sendable {
        /// The errors of the image under each class's prompt.
        public let table: ErrorTable
        /// The class of the image, an index.
        public let label: Int
        /// Whether its domain is held out: then nothing is fitted on it.
        public let isHeldOut: Bool

        /// An image with its class.
        public init(table: ErrorTable, label: Int, isHeldOut: Bool) {
            self.table = table
            self.label = label
            self.isHeldOut = isHeldOut
        }
    }

    /// One way to classify.
    public struct Row: Codable, Sendable, Equatable {
        /// By what errors are measured.
        public let metric: ErrorTable.Metric
        /// Whether the times are weighed as fitted.
        public let isFitted: Bool
        /// Whether classes are dropped early.
        public let isEliminating: Bool
        /// Accuracy on the source images that nothing was fitted on; nil for none.
        public let sources: Double?
        /// Accuracy on the images of held-out domains; nil for none.
        public let heldOut: Double?
        /// U-Net evaluations an image, on average.
        public let evaluations: Double
    }

    /// Images of the source domains that weights were fitted on, and that they were not.
    public let fitted: Int, checked: Int
    /// Images of held-out domains.
    public let heldOut: Int
    /// All ways, the plain one first.
    public let rows: [Row]
    /// The fitted weight of each part of the schedule, early times first, by metric.
    public let weights: [String: [Double]]

    /// The report of samples: every other source image is fitted on, the others are checked.
    /// - Parameter parts: of the schedule, each with a weight.
    public init(_ samples: [Sample], elimination: Elimination, parts: Int, timeSteps: Int) {
        let sources = samples.filter { !$0.isHeldOut }
        let fit = sources.indices.filter { $0 % 2 == 0 }.map { sources[$0] }
        let check = sources.indices.filter { $0 % 2 == 1 }.map { sources[$0] }
        let held = samples.filter(\.isHeldOut)
        (fitted, checked, heldOut) = (fit.count, check.count, held.count)
        var (rows, found) = ([Row](), [String: [Double]]())
        for metric in [ErrorTable.Metric.l2, .l1] {
            for isFitted in [false, true] {
                let weights =
                    isFitted
                    ? TimeWeights(
                        fitting: fit.map(\.table), labels: fit.map(\.label), metric: metric, parts: parts,
                        timeSteps: timeSteps)
                    : .even(timeSteps: timeSteps)
                if isFitted { found[metric.rawValue] = weights.weights }
                for isEliminating in [false, true] {
                    var evaluations = 0
                    func accuracy(_ samples: [Sample]) -> Double? {
                        guard !samples.isEmpty else { return nil }
                        let right = samples.filter { sample in
                            guard isEliminating else {
                                evaluations += sample.table.classCount * sample.table.times.count
                                return sample.table.prediction(metric, weights: weights) == sample.label
                            }
                            let answer = sample.table.prediction(metric, weights: weights, elimination: elimination)
                            evaluations += answer.evaluations
                            return answer.label == sample.label
                        }
                        return Double(right.count) / Double(samples.count)
                    }
                    let (onSources, onHeld) = (accuracy(check), accuracy(held))
                    rows.append(
                        Row(
                            metric: metric, isFitted: isFitted, isEliminating: isEliminating, sources: onSources,
                            heldOut: onHeld,
                            evaluations: Double(evaluations) / Double(max(1, check.count + held.count))))
                }
            }
        }
        (self.rows, weights) = (rows, found)
    }
}
