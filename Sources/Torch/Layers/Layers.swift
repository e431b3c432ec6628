/// `y = x · Wᵀ + b` over the last dimension. Keys: `weight` [out, in], `bias` [out].
///
/// Its store's ``ParameterStore/adapters`` join in.
public struct Linear {
    public let weight: Tensor
    public let bias: Tensor?
    private let scope: Scope
    private let packed = PackedWeight()

    public init(
        _ scope: Scope, in inputs: Int, out outputs: Int, bias: Bool = true, weightInit: Initialiser? = nil,
        biasInit: Initialiser? = nil
    ) {
        weight = scope.parameter("weight", [outputs, inputs], weightInit ?? .fanIn(inputs))
        self.bias = bias ? scope.parameter("bias", [outputs], biasInit ?? .fanIn(inputs)) : nil
        self.scope = scope
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        let y = scope.store.packs(weight, for: x) ? packed.linear(x, weight, bias) : x.linear(weight, bias)
        guard let adapter = scope.store.adapters?[scope.path] else { return y }
        return y + adapter(x)
    }
}

/// Two-dimensional convolution of [N, C, H, W]. Keys: `weight` [out, in / groups, k, k], `bias` [out].
public struct Conv2d {
    public let weight: Tensor
    public let bias: Tensor?
    let stride: Int
    let padding: Int
    let groups: Int
    private let store: ParameterStore
    private let packed = PackedWeight()

    public init(
        _ scope: Scope, in inputs: Int, out outputs: Int, kernel: Int, stride: Int = 1, padding: Int = 0,
        groups: Int = 1, bias: Bool = true, weightInit: Initialiser? = nil, biasInit: Initialiser? = nil
    ) {
        let fanIn = inputs / groups * kernel * kernel
        weight = scope.parameter("weight", [outputs, inputs / groups, kernel, kernel], weightInit ?? .fanIn(fanIn))
        self.bias = bias ? scope.parameter("bias", [outputs], biasInit ?? .fanIn(fanIn)) : nil
        self.stride = stride
        self.padding = padding
        self.groups = groups
        store = scope.store
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        guard store.packs(weight, for: x) else {
            return x.conv2d(weight, bias, stride: stride, padding: padding, groups: groups)
        }
        return packed.conv2d(x, weight, bias, stride: stride, padding: padding, groups: groups)
    }
}

/// Group normalisation of [N, C, …]. Keys: `weight`, `bias`.
public struct GroupNorm {
    let weight: Tensor
    let bias: Tensor
    let groups: Int
    let epsilon: Double

    public init(_ scope: Scope, groups: Int, channels: Int, epsilon: Double = 1e-5) {
        weight = scope.parameter("weight", [channels], .ones)
        bias = scope.parameter("bias", [channels], .zeros)
        self.groups = groups
        self.epsilon = epsilon
    }

    /// The normalised [N, C, …], or SiLU of it.
    public func callAsFunction(_ x: Tensor, silu: Bool = false) -> Tensor {
        x.groupNorm(groups, weight, bias, epsilon: epsilon, silu: silu)
    }
}

/// Layer normalisation over the last dimension. Keys: `weight`, `bias`.
public struct LayerNorm {
    let weight: Tensor
    let bias: Tensor
    let epsilon: Double

    public init(_ scope: Scope, width: Int, epsilon: Double = 1e-5) {
        weight = scope.parameter("weight", [width], .ones)
        bias = scope.parameter("bias", [width], .zeros)
        self.epsilon = epsilon
    }

    public func callAsFunction(_ x: Tensor) -> Tensor { x.layerNorm([weight.count], weight, bias, epsilon: epsilon) }
}

/// Batch normalisation of [N, C, H, W]. Keys: `weight`, `bias`, `running_mean`, `running_var`, `num_batches_tracked`.
///
/// Uses the batch's statistics while its store is training, unless `frozen`; the running ones otherwise.
public final class BatchNorm2d {
    let weight: Tensor
    let bias: Tensor
    let runningMean: Tensor
    let runningVariance: Tensor
    let batchesTracked: Tensor
    let store: ParameterStore
    let epsilon: Double
    /// Weight of a batch in the running statistics.
    public var momentum: Double
    /// Keeps the running statistics in training, too (DomainBed's `freeze_bn`).
    public var frozen = false

    public init(
        _ scope: Scope, channels: Int, epsilon: Double = 1e-5, momentum: Double = 0.1, weightInit: Initialiser = .ones
    ) {
        weight = scope.parameter("weight", [channels], weightInit)
        bias = scope.parameter("bias", [channels], .zeros)
        runningMean = scope.buffer("running_mean", [channels], .zeros)
        runningVariance = scope.buffer("running_var", [channels], .ones)
        batchesTracked = scope.buffer("num_batches_tracked", [], .zeros, dtype: .int64)
        store = scope.store
        self.epsilon = epsilon
        self.momentum = momentum
    }

    /// Whether the running statistics are used, not the batch's.
    var usesRunningStatistics: Bool { frozen || !store.isTraining }

    /// `activation(norm(x) + residual)` of [N, C, H, W].
    public func callAsFunction(
        _ x: Tensor, _ activation: Activation = .identity, adding residual: Tensor? = nil
    ) -> Tensor {
        let isTraining = !usesRunningStatistics
        let isCounted = isTraining && store.isRecomputing
        if isTraining, !isCounted { batchesTracked.add_(1) }
        return x.batchNorm(
            weight, bias, runningMean: isCounted ? nil : runningMean,
            runningVariance: isCounted ? nil : runningVariance, training: isTraining,
            momentum: isTraining && store.averagesBatchNorm ? 1 / batchesTracked.item() : momentum, epsilon: epsilon,
            activation: activation, adding: residual)
    }
}

/// A table of vectors. Key: `weight` [entries, width].
public struct Embedding {
    public let weight: Tensor

    public init(_ scope: Scope, entries: Int, width: Int, weightInit: Initialiser = .normal(deviation: 1)) {
        weight = scope.parameter("weight", [entries, width], weightInit)
    }

    public func callAsFunction(_ indices: Tensor) -> Tensor { weight.embedding(indices) }
}
