import Torch

/// How a classifier takes the features of a frozen network beside its own.
public struct FrozenFeatureOptions: Sendable, Equatable, Codable {
    /// Where the features meet the classifier's own.
    public enum Fusion: String, Sendable, Codable, CaseIterable {
        /// At the head, which takes both: what the backbone learns depends on them.
        case early
        /// At prediction: a linear classifier over the features alone, fitted before training, has a say beside the network, whose
        /// training knows nothing of it. The probabilities are multiplied: log p + λ·log p_u (a product of experts).
        case late
    }

    /// Numbers an image.
    public var width: Int
    /// Where the features meet the classifier's own.
    public var fusion: Fusion
    /// Probability that one of them is zeroed in training, of early fusion: without it the head leans on what needs no learning.
    public var dropout: Double
    /// λ, the weight of the features' own classifier, of late fusion.
    public var weight: Double
    /// Factor of half the squared coefficients in the fit of the features' own classifier, of late fusion.
    public var penalty: Double

    /// Features of this width.
    public init(
        width: Int, fusion: Fusion = .early, dropout: Double = 0, weight: Double = 0.5, penalty: Double = 0.1
    ) {
        self.width = width
        self.fusion = fusion
        self.dropout = dropout
        self.weight = weight
        self.penalty = penalty
    }
}

/// The part of a classifier that takes frozen features: it standardises them by the training images' statistics, which are
/// buffers of the classifier.
struct FrozenFeatureInput {
    let options: FrozenFeatureOptions
    let mean, deviation: Tensor
    /// The linear classifier of late fusion: [classes, width] and [classes].
    let own: (weight: Tensor, bias: Tensor)?

    init(_ scope: Scope, _ options: FrozenFeatureOptions, classCount: Int) {
        self.options = options
        mean = scope.buffer("mean", [options.width], .zeros)
        deviation = scope.buffer("deviation", [options.width], .ones)
        own =
            options.fusion == .late
            ? (scope.buffer("weight", [classCount, options.width], .zeros), scope.buffer("bias", [classCount], .zeros))
            : nil
    }

    /// λ·log p_u [N, classes] of features as they come, of late fusion.
    func opinion(_ features: Tensor) -> Tensor? {
        own.map { options.weight * ((features - mean) / deviation).linear($0.weight, $0.bias).logSoftmax(1) }
    }

    /// Standardised features [N, width], in training after dropout. Without any an image has the training images' mean.
    func callAsFunction(_ features: Tensor?, count: Int, isTraining: Bool, generator: Generator) -> Tensor {
        guard let features else { return .zeros([count, options.width], device: mean.device) }
        let standard = (features - mean) / deviation
        return isTraining ? standard.dropout(options.dropout, generator: generator) : standard
    }
}
