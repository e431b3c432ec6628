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

    /// A linear classifier of late fusion, over some of the features.
    public struct Expert: Sendable, Equatable, Codable {
        /// The numbers that it takes, behind those of the experts before it.
        public var width: Int
        /// λ, its weight beside the network.
        public var weight: Double
        /// Factor of half the squared coefficients in its fit.
        public var penalty: Double

        /// An expert over so many numbers.
        public init(width: Int, weight: Double, penalty: Double) {
            self.width = width
            self.weight = weight
            self.penalty = penalty
        }
    }

    /// Numbers an image.
    public var width: Int
    /// Where the features meet the classifier's own.
    public var fusion: Fusion
    /// Probability that one of them is zeroed in training, of early fusion: without it the head leans on what needs no learning.
    public var dropout: Double
    /// The features' own classifiers, of late fusion: one for each network that they are of.
    public var experts: [Expert]

    /// Features of these experts, which meet the classifier's own as `fusion` says.
    public init(fusion: Fusion = .late, dropout: Double = 0, experts: [Expert]) {
        width = experts.reduce(0) { $0 + $1.width }
        self.fusion = fusion
        self.dropout = dropout
        self.experts = experts
    }

    /// Features of this width, of one network.
    public init(
        width: Int, fusion: Fusion = .early, dropout: Double = 0, weight: Double = 0.5, penalty: Double = 0.1
    ) {
        self.init(
            fusion: fusion, dropout: dropout, experts: [Expert(width: width, weight: weight, penalty: penalty)])
    }

    /// The numbers that each expert takes.
    public var ranges: [Range<Int>] {
        var end = 0
        return experts.map { expert in
            defer { end += expert.width }
            return end..<end + expert.width
        }
    }
}

/// The part of a classifier that takes frozen features: it standardises them by the training images' statistics, which are
/// buffers of the classifier.
struct FrozenFeatureInput {
    let options: FrozenFeatureOptions
    let mean, deviation: Tensor
    /// The linear classifiers of late fusion: [classes, width] and [classes] of each expert.
    let experts: [(weight: Tensor, bias: Tensor)]

    init(_ scope: Scope, _ options: FrozenFeatureOptions, classCount: Int) {
        self.options = options
        mean = scope.buffer("mean", [options.width], .zeros)
        deviation = scope.buffer("deviation", [options.width], .ones)
        experts =
            options.fusion == .late
            ? options.experts.enumerated().map { number, expert in
                let scope = scope / "experts" / number
                return (
                    scope.buffer("weight", [classCount, expert.width], .zeros),
                    scope.buffer("bias", [classCount], .zeros)
                )
            } : []
    }

    /// The sum of λ·log p_u [N, classes] over the experts, of features as they come; nil without late fusion.
    func opinion(_ features: Tensor) -> Tensor? {
        let standard = (features - mean) / deviation
        let opinions = zip(zip(options.experts, options.ranges), experts).map { expert, classifier in
            expert.0.weight
                * standard.narrowed(1, start: expert.1.lowerBound, length: expert.1.count)
                .linear(classifier.weight, classifier.bias).logSoftmax(1)
        }
        return opinions.dropFirst().reduce(opinions.first) { sum, next in sum.map { $0 + next } }
    }

    /// Standardised features [N, width], in training after dropout. Without any an image has the training images' mean.
    func callAsFunction(_ features: Tensor?, count: Int, isTraining: Bool, generator: Generator) -> Tensor {
        guard let features else { return .zeros([count, options.width], device: mean.device) }
        let standard = (features - mean) / deviation
        return isTraining ? standard.dropout(options.dropout, generator: generator) : standard
    }
}
