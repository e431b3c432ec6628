import Foundation
import Foundations
import Torch

/// How much an error counts by its time step: a weight for each of a number of equal parts of the schedule.
///
/// Fitted on labelled images (source validation), since neither very early nor very late times tell classes apart: the
/// cross-entropy of softmax(−Σ weight·error) is minimised over weights that are not negative.
public struct TimeWeights: Codable, Sendable, Equatable {
    /// The weight of each part of the time steps.
    public let weights: [Double]
    /// Number of time steps of the schedule.
    public let timeSteps: Int
    /// β of the class probabilities softmax(−β·Σ weight·error), as fitted.
    public let sharpness: Double

    /// Weights for equal parts of a schedule.
    public init(_ weights: [Double], timeSteps: Int, sharpness: Double = 1) {
        self.weights = weights
        self.timeSteps = timeSteps
        self.sharpness = sharpness
    }

    /// All times count alike.
    public static func even(timeSteps: Int) -> TimeWeights { TimeWeights([1], timeSteps: timeSteps) }

    /// The weight at a time step.
    public func weight(_ time: Int) -> Double { weights[part(time)] }

    private func part(_ time: Int) -> Int { min(weights.count - 1, time * weights.count / timeSteps) }

    /// Fits weights to labelled images.
    /// - Parameters:
    ///   - parts: how many weights; at least 1.
    ///   - steps: of Adam on all images at once.
    public init(
        fitting tables: [ErrorTable], labels: [Int], metric: ErrorTable.Metric, parts: Int, timeSteps: Int,
        steps: Int = 300
    ) {
        // [images, classes, parts]: the sum of the errors in each part, less its mean over the classes.
        let even = TimeWeights([Double](repeating: 1, count: parts), timeSteps: timeSteps)
        var values: [Float] = []
        for table in tables {
            let places = table.times.map(even.part)
            var rows: [[Float]] = []
            for errors in table.errors(metric) {
                var sums = [Float](repeating: 0, count: parts)
                for (part, error) in zip(places, errors) { sums[part] += error }
                rows.append(sums)
            }
            let means = (0..<parts).map { part in rows.reduce(Float(0)) { $0 + $1[part] } / Float(rows.count) }
            for row in rows { values += zip(row, means).map { $0 - $1 } }
        }
        let shape = [tables.count, tables.first?.classCount ?? 0, parts]
        let all = Tensor(values, shape: shape)
        let scale = all.squared().mean([0, 1]).sqrt().clamp(min: 1e-12)
        let features = all / scale
        let targets = Tensor(labels)
        let raw = Tensor.zeros([parts])
        raw.requiresGrad = true
        let optimizer = Optimizer(.adam(), [raw], learningRate: 0.05)
        for _ in 0..<steps {
            optimizer.zeroGrad()
            crossEntropy(-(features * raw.softplus()).sum([2]), targets).backward()
            optimizer.step()
        }
        let found = noGrad { (raw.softplus() / scale).scalars(Double.self) }
        let mean = found.reduce(0, +) / Double(parts)
        self.init(found.map { $0 / mean }, timeSteps: timeSteps, sharpness: mean)
    }
}
