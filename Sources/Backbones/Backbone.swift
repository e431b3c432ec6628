import Torch

/// A network that turns images into one vector each.
///
/// A backbone is built from a `Scope`, so that its parameters carry the keys of the public checkpoints.
public protocol Backbone {
    /// Width of the vectors.
    var featureCount: Int { get }

    /// Number of places that ``features(_:visit:)`` visits; 5 in convolutional networks: the stem and four stages, where
    /// the maps of the last three are 1/8, 1/16 and 1/32 of the image; in transformers the embedding and four quarters.
    var levels: Int { get }

    /// Features of images, with a look at the maps on the way.
    /// - Parameters:
    ///   - images: [N, 3, H, W], normalised as ``BackboneDescription/normalisation`` says; any H and W of at least 32
    ///     pixels.
    ///   - visit: called with each of the network's ``levels`` and its maps [N, C, h, w] (transformers: tokens [N, T, C]),
    ///     in order, from the stem (level 0) to the maps that are pooled; what it returns goes on through the network. For
    ///     methods that change features (MixStyle) or look at them (MIRO).
    /// - Returns: [N, featureCount].
    func features(_ images: Tensor, visit: (_ level: Int, _ maps: Tensor) -> Tensor) -> Tensor
}

extension Backbone {
    /// Features of images [N, 3, H, W] → [N, featureCount], without a look at what lies between.
    /// - Parameter images: as in ``features(_:visit:)``.
    /// - Returns: [N, featureCount].
    public func features(_ images: Tensor) -> Tensor { features(images) { $1 } }
}

/// A backbone whose features are the mean of its last maps over all places: those of ResNets and their kin.
public protocol PooledBackbone: Backbone {
    /// The maps that are pooled, [N, featureCount, h, w].
    ///
    /// The parameters are those of ``Backbone/features(_:visit:)``.
    func maps(_ images: Tensor, visit: (_ level: Int, _ maps: Tensor) -> Tensor) -> Tensor
}

extension PooledBackbone {
    /// Features of images [N, 3, H, W] → [N, featureCount]: the mean of the last maps.
    /// - Parameters: as in ``Backbone/features(_:visit:)``.
    public func features(_ images: Tensor, visit: (_ level: Int, _ maps: Tensor) -> Tensor) -> Tensor {
        maps(images, visit: visit).globalAveragePool2d().flattened(from: 1)
    }
}

/// What differs from training to training, not from checkpoint to checkpoint.
public struct BackboneOptions: Sendable, Equatable, Codable {
    /// Weight of a batch in batch norm's running statistics; short trainings from ImageNet weights need PyTorch's 0.1.
    public var batchNormMomentum: Double
    /// Uses the checkpoint's running statistics in training, too, and keeps them (DomainBed's `freeze_bn`); scale and
    /// shift are still trained.
    public var freezeBatchNorm: Bool
    /// Probability that an image skips the last residual branch; falls linearly to 0 at the first (stochastic depth,
    /// Huang et al. 2016). 0 turns it off.
    public var dropConnect: Double
    /// Keeps only what goes into a residual branch for the gradient, which computes the rest again (Chen et al. 2016; timm's
    /// `set_grad_checkpointing`): less memory for a third more time, and the same numbers.
    public var gradientCheckpointing: Bool

    /// Options; by default the network computes and trains as torchvision's and timm's do.
    public init(
        batchNormMomentum: Double = 0.1, freezeBatchNorm: Bool = false, dropConnect: Double = 0,
        gradientCheckpointing: Bool = false
    ) {
        self.batchNormMomentum = batchNormMomentum
        self.freezeBatchNorm = freezeBatchNorm
        self.dropConnect = dropConnect
        self.gradientCheckpointing = gradientCheckpointing
    }

    /// A convolution without bias and its batch norm.
    func convNorm(
        _ scope: Scope, _ normScope: Scope, in inputs: Int, out outputs: Int, kernel: Int, stride: Int = 1,
        padding: Int, groups: Int = 1, epsilon: Double
    ) -> ConvNorm2d {
        let convolution = Conv2d(
            scope, in: inputs, out: outputs, kernel: kernel, stride: stride, padding: padding, groups: groups,
            bias: false, weightInit: .fanOut(outputs, kernel: kernel, groups: groups))
        let norm = BatchNorm2d(normScope, channels: outputs, epsilon: epsilon, momentum: batchNormMomentum)
        norm.frozen = freezeBatchNorm
        return ConvNorm2d(convolution, norm)
    }
}

/// Where a parameter lies between images and logits, for learning rates that fall with depth.
enum LayerPlace: Hashable {
    case stem
    /// A residual block by its indices, the outermost first.
    case block([Int])
    /// Between the last block and the head: counted with the last block.
    case afterBlocks
    case head

    /// The numbers in the parts of a key that begin with one of `prefixes`: `layer2.0.conv1.weight` → [2, 0].
    /// - Parameter parts: how many parts of the key carry a number.
    static func block(_ key: String, _ prefixes: [String], parts: ClosedRange<Int>) -> LayerPlace? {
        let words = key.split(separator: ".")
        guard words.count > parts.upperBound, let first = words.first,
            prefixes.contains(where: { first.hasPrefix($0) })
        else { return nil }
        let numbers = words[parts].map { Int($0.filter(\.isNumber)) }
        return numbers.contains(nil) ? nil : .block(numbers.compactMap { $0 })
    }
}

/// Leaves out a residual branch for some images of a batch while its store is training.
struct StochasticDepth {
    let rate: Double
    let store: ParameterStore
    let generator: Generator

    /// Whether branches change; if not, a branch's last norm can add the residual itself, which saves passes over the maps.
    var isActive: Bool { rate > 0 && store.isTraining }

    /// - Parameter branch: [N, …]; an image's branch becomes 0 with probability `rate`, else is scaled by
    ///   1 / (1 − `rate`), so that the expectation stays.
    func callAsFunction(_ branch: Tensor) -> Tensor {
        guard isActive else { return branch }
        let shape = [branch.size(0)] + [Int](repeating: 1, count: branch.rank - 1)
        let kept = Tensor.bernoulli(shape, probability: 1 - rate, generator: generator)
        return branch * (rate < 1 ? kept / (1 - rate) : kept)
    }
}

extension StochasticDepth {
    /// `relu(branch(x) + shortcut(x))`, without a shortcut `relu(branch(x) + x)`, of a block whose parameters are at `scope`.
    /// - Parameter branch: what it is given last is added before the activation, by its last norm.
    func residual(
        _ x: Tensor, _ scope: Scope, shortcut: ConvNorm2d?,
        branch: @escaping (Tensor, Activation, Tensor?) -> Tensor
    ) -> Tensor {
        func through(_ x: Tensor) -> Tensor { shortcut.map { $0(x) } ?? x }
        guard isActive else { return scope.layer(x) { branch($0[0], .relu, through($0[0])) } }
        // The draw stays outside of what is computed again.
        let changed = self(scope.layer(x) { branch($0[0], .identity, nil) })
        return (changed + (shortcut == nil ? x : scope.layer(x) { through($0[0]) })).relu()
    }
}

extension Initialiser {
    /// He et al. 2015 for convolutions before a ReLU: a normal distribution of variance 2 / fan-out.
    static func fanOut(_ outputs: Int, kernel: Int, groups: Int = 1) -> Initialiser {
        .normal(deviation: (2 / Double(kernel * kernel * outputs / groups)).squareRoot())
    }
}
