import Torch

/// How a classifier takes the features of a frozen network beside its own.
public struct FrozenFeatureOptions: Sendable, Equatable, Codable {
    /// Numbers an image.
    public var width: Int
    /// Probability that one of them is zeroed in training: without it the head leans on what needs no learning.
    public var dropout: Double

    /// Features of this width.
    public init(width: Int, dropout: Double) {
        self.width = width
        self.dropout = dropout
    }
}

/// The part of a classifier that takes frozen features: it standardises them by the training images' statistics, which are
/// buffers of the classifier.
struct FrozenFeatureInput {
    let options: FrozenFeatureOptions
    let mean, deviation: Tensor

    init(_ scope: Scope, _ options: FrozenFeatureOptions) {
        self.options = options
        mean = scope.buffer("mean", [options.width], .zeros)
        deviation = scope.buffer("deviation", [options.width], .ones)
    }

    /// Standardised features [N, width], in training after dropout. Without any an image has the training images' mean.
    func callAsFunction(_ features: Tensor?, count: Int, isTraining: Bool, generator: Generator) -> Tensor {
        guard let features else { return .zeros([count, options.width], device: mean.device) }
        let standard = (features - mean) / deviation
        return isTraining ? standard.dropout(options.dropout, generator: generator) : standard
    }
}
