import Foundation
import Torch

/// How much of latent distillation is about the class and how much about brightness alone: G(p) under the right and
/// under a wrong class's prompt, what of it is the image's own and not noise, and what it costs.
public struct PromptReport: Codable, Sendable, Equatable {
    /// What was found at one confidence, over all images.
    public struct Row: Codable, Sendable, Equatable {
        /// The confidence p, in 0…1.
        public let confidence: Double
        /// Mean over images of G(p) under the prompt of the image's class.
        public let right: Double
        /// The same under another class's prompt.
        public let wrong: Double
        /// Correlation over images of the two; nil where one does not vary.
        public let correlation: Double?
        /// Root mean square of right − wrong as a share of that of right: what the class changes.
        public let classShare: Double?
        /// Share of the variance of G over images that is the images' own and not the draws' noise, from split halves
        /// of the draws A and B: `1 − Var[(A − B)/2] / Var[(A + B)/2]`. Below 0 where noise is all there is.
        public let imageShare: Double?
        /// Variance of g by a single draw, mean over images.
        public let drawVariance: Double
        /// Variance by noise of the mean of all draws: `Var[(A − B)/2]`.
        public let meanVariance: Double
    }

    /// What was found at one guidance, over all images.
    public struct Guidance: Codable, Sendable, Equatable {
        /// The guidance scale; 1 is none.
        public let scale: Double
        /// U-Net evaluations of one draw.
        public let evaluationsPerDraw: Int
        /// One row a confidence.
        public let rows: [Row]
        /// Root mean square of what interpolation between the nodes misses, as a share of that of the direct values.
        public let interpolationError: Double?
        /// Variance of g times the U-Net evaluations it takes, mean over confidences: for single draws, and for the mean
        /// of all draws, which are stratified in time. The less, the better an evaluation is used.
        public let drawVarianceByEvaluation: Double
        /// The same for the mean of all draws.
        public let meanVarianceByEvaluation: Double
    }

    /// One image: means over draws without guidance, at the rows' confidences.
    public struct Image: Codable, Sendable, Equatable {
        /// The image's path in the data set.
        public let image: String
        /// The image's class.
        public let label: String
        /// The class of the wrong prompt.
        public let wrongLabel: String
        /// g under no prompt, at each confidence.
        public let empty: [Double]
        /// g under the prompt of the image's class.
        public let right: [Double]
        /// g under the wrong class's prompt.
        public let wrong: [Double]
    }

    /// Draws of time step and noise for each image, prompt and confidence.
    public let draws: Int
    /// Nodes of the curves whose interpolation is judged.
    public let nodes: Int
    /// The statistics at each guidance.
    public let guidance: [Guidance]
    /// What was measured of each image.
    public let images: [Image]

    /// Works the statistics out.
    /// The statistics of samples.
    /// - Parameters:
    ///   - points: the confidences of the samples' first rows; their other rows are at Chebyshev nodes.
    ///   - guidanceScales: 1 is none.
    public init(_ samples: [PromptSample], points: [Double], guidanceScales: [Double]) {
        draws = samples.first?.right.first?.count ?? 0
        nodes = (samples.first?.right.count ?? 0) - points.count
        images = samples.map { sample in
            func means(_ rows: [[Double]]) -> [Double] { rows.prefix(points.count).map(\.mean) }
            return Image(
                image: sample.image, label: sample.label, wrongLabel: sample.wrongLabel, empty: means(sample.empty),
                right: means(sample.right), wrong: means(sample.wrong))
        }
        guidance = guidanceScales.map { Guidance(samples, points: points, scale: $0) }
    }
}

extension PromptReport.Guidance {
    fileprivate init(_ samples: [PromptSample], points: [Double], scale: Double) {
        /// `g_empty + s·(g_prompt − g_empty)`, by sample, confidence and draw.
        func guided(_ prompt: (PromptSample) -> [[Double]]) -> [[[Double]]] {
            samples.map { sample in
                zip(prompt(sample), sample.empty).map { rows in
                    zip(rows.0, rows.1).map { $1 + scale * ($0 - $1) }
                }
            }
        }
        let right = guided(\.right)
        let wrong = guided(\.wrong)
        rows = points.indices.map { index in
            PromptReport.Row(points[index], right: right.map { $0[index] }, wrong: wrong.map { $0[index] })
        }
        self.scale = scale
        evaluationsPerDraw = scale == 1 ? 1 : 2
        let draws = Double((samples.first?.right.first?.count ?? 0) * evaluationsPerDraw)
        drawVarianceByEvaluation = rows.map(\.drawVariance).mean * Double(evaluationsPerDraw)
        meanVarianceByEvaluation = rows.map(\.meanVariance).mean * draws
        interpolationError = Self.interpolationError(right, points: points)
    }

    private static func interpolationError(_ tables: [[[Double]]], points: [Double]) -> Double? {
        guard let rows = tables.first?.count, rows - points.count >= 2 else { return nil }
        let means = tables.map { $0.map(\.mean) }
        let weights = ChebyshevGrid(rows - points.count).weights(at: Tensor(points))
        let pairs = points.indices.flatMap { index in
            let own = weights[index].scalars(Double.self)
            return means.map { values in
                (values[index], zip(values.dropFirst(points.count), own).reduce(0) { $0 + $1.0 * $1.1 })
            }
        }
        return ratio(pairs.map { $0.0 - $0.1 }.rootMeanSquare, pairs.map(\.0).rootMeanSquare)
    }
}

extension PromptReport.Row {
    /// - Parameters:
    ///   - right: g by image and draw, and likewise `wrong`.
    fileprivate init(_ confidence: Double, right: [[Double]], wrong: [[Double]]) {
        let (a, b) = (right.map(\.mean), wrong.map(\.mean))
        let halves = right.map { draws in
            (draws.enumerated().filter { $0.offset % 2 == 0 }, draws.enumerated().filter { $0.offset % 2 == 1 })
        }.map { ($0.0.map(\.element).mean, $0.1.map(\.element).mean) }
        let noise = halves.map { ($0.0 - $0.1) / 2 }.variance
        self.init(
            confidence: confidence, right: a.mean, wrong: b.mean,
            correlation: ratio(covariance(a, b), (a.variance * b.variance).squareRoot()),
            classShare: ratio(zip(a, b).map { $0 - $1 }.rootMeanSquare, a.rootMeanSquare),
            imageShare: ratio(noise, a.variance).map { 1 - $0 }, drawVariance: right.map(\.variance).mean,
            meanVariance: noise)
    }
}

private func ratio(_ a: Double, _ b: Double) -> Double? { b > 0 ? a / b : nil }

/// Unbiased; 0 for fewer than two.
private func covariance(_ a: [Double], _ b: [Double]) -> Double {
    guard a.count > 1 else { return 0 }
    let (meanA, meanB) = (a.mean, b.mean)
    return zip(a, b).reduce(0) { $0 + ($1.0 - meanA) * ($1.1 - meanB) } / Double(a.count - 1)
}

extension [Double] {
    fileprivate var mean: Double { isEmpty ? 0 : reduce(0, +) / Double(count) }
    fileprivate var variance: Double { covariance(self, self) }
    fileprivate var rootMeanSquare: Double { map { $0 * $0 }.mean.squareRoot() }
}
