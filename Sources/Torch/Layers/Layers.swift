/// `y = x · Wᵀ + b` over the last dimension. Keys: `weight` [out, in], `bias` [out].
///
/// Its store's ``ParameterStore/adapters`` join in.
public struct Linear {
    /// W, [out, in]: the weights that inputs are multiplied by.
    public let weight: Tensor
    /// b, [out], or nil for a layer without one.
    public let bias: Tensor?
    private let scope: Scope
    private let packed = PackedWeight()

    /// Makes or loads the layer's parameters at `scope`.
    /// - Parameters:
    ///   - scope: where the keys `weight` and `bias` stand.
    ///   - inputs: size of the inputs' last dimension.
    ///   - outputs: size of the results' last dimension.
    ///   - weightInit: how fresh weights are drawn; U(−1/√in, 1/√in) by default, as in PyTorch.
    ///   - biasInit: the same for the bias.
    public init(
        _ scope: Scope, in inputs: Int, out outputs: Int, bias: Bool = true, weightInit: Initialiser? = nil,
        biasInit: Initialiser? = nil
    ) {
        weight = scope.parameter("weight", [outputs, inputs], weightInit ?? .fanIn(inputs))
        self.bias = bias ? scope.parameter("bias", [outputs], biasInit ?? .fanIn(inputs)) : nil
        self.scope = scope
    }

    /// `x · Wᵀ + b`, [..., in] → [..., out]: `Linear(scope, in: 512, out: 10)` makes [8, 10] of [8, 512].
    public func callAsFunction(_ x: Tensor) -> Tensor {
        let y = scope.store.packs(weight, for: x) ? packed.linear(x, weight, bias) : x.linear(weight, bias)
        guard let adapter = scope.store.adapters?[scope.path] else { return y }
        return y + adapter(x)
    }
}

/// Two-dimensional convolution of [N, C, H, W]. Keys: `weight` [out, in / groups, k, k], `bias` [out].
public struct Conv2d {
    /// The kernels, [out, in / groups, k, k].
    public let weight: Tensor
    /// One number for each channel of the result, [out], or nil for a layer without.
    public let bias: Tensor?
    let stride: Int
    let padding: Int
    let groups: Int
    private let store: ParameterStore
    private let packed = PackedWeight()

    /// Makes or loads the layer's parameters at `scope`.
    /// - Parameters:
    ///   - scope: where the keys `weight` and `bias` stand.
    ///   - inputs: channels of the inputs, divisible by `groups`.
    ///   - outputs: channels of the results, divisible by `groups`.
    ///   - kernel: side of the square kernels, in pixels.
    ///   - weightInit: how fresh weights are drawn; U(−1/√n, 1/√n) for n = in / groups · k² by default, as in PyTorch.
    ///   - biasInit: the same for the bias.
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

    /// Convolves [N, in, H, W] to [N, out, H′, W′] with H′ = (H + 2·padding − kernel) / stride + 1, rounded down.
    ///
    /// With kernel 3, stride 2 and padding 1, [8, 3, 32, 32] becomes [8, out, 16, 16].
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

    /// Makes or loads `weight` and `bias` [channels] at `scope`; fresh ones are 1 and 0.
    /// - Parameter epsilon: what is added to the variance before the root.
    public init(_ scope: Scope, groups: Int, channels: Int, epsilon: Double = 1e-5) {
        weight = scope.parameter("weight", [channels], .ones)
        bias = scope.parameter("bias", [channels], .zeros)
        self.groups = groups
        self.epsilon = epsilon
    }

    /// The normalised [N, C, …] in the same shape, or SiLU of it.
    public func callAsFunction(_ x: Tensor, silu: Bool = false) -> Tensor {
        x.groupNorm(groups, weight, bias, epsilon: epsilon, silu: silu)
    }
}

/// Layer normalisation over the last dimension. Keys: `weight`, `bias`.
public struct LayerNorm {
    let weight: Tensor
    let bias: Tensor
    let epsilon: Double

    /// Makes or loads `weight` and `bias` [width] at `scope`; fresh ones are 1 and 0.
    /// - Parameter epsilon: what is added to the variance before the root.
    public init(_ scope: Scope, width: Int, epsilon: Double = 1e-5) {
        weight = scope.parameter("weight", [width], .ones)
        bias = scope.parameter("bias", [width], .zeros)
        self.epsilon = epsilon
    }

    /// Normalises each vector of the last dimension: [..., width] in the same shape.
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

    /// Makes or loads the parameters and statistics [channels] at `scope`.
    /// - Parameters:
    ///   - epsilon: what is added to the variance before the root.
    ///   - momentum: weight of a batch in the running statistics, 0…1.
    ///   - weightInit: how fresh weights are filled; ones by default.
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

    /// `activation(norm(x) + residual)` of [N, C, H, W], in the same shape.
    public func callAsFunction(
        _ x: Tensor, _ activation: Activation = .identity, adding residual: Tensor? = nil
    ) -> Tensor {
        guard !usesRunningStatistics, let guests = store.batchNormGuests, guests.count == x.size(0) else {
            return normalised(x, activation, residual)
        }
        // A part at a time, each by its own statistics; the guests' are kept by nobody.
        let parts = [(guests.hosts, true), (guests.guests, false)].filter { $0.0.count > 0 }.map { rows, isKept in
            func part(_ maps: Tensor) -> Tensor { maps.indexSelect(0, rows).contiguous(.channelsLast) }
            return normalised(part(x), activation, residual.map(part), keepsStatistics: isKept)
        }
        return Tensor.concatenated(parts).indexSelect(0, guests.order).contiguous(.channelsLast)
    }

    private func normalised(
        _ x: Tensor, _ activation: Activation, _ residual: Tensor?, keepsStatistics: Bool = true
    ) -> Tensor {
        let isTraining = !usesRunningStatistics
        let isCounted = isTraining && (store.isRecomputing || !keepsStatistics)
        if isTraining, !isCounted { batchesTracked.add_(1) }
        let momentum = isTraining && store.averagesBatchNorm ? 1 / batchesTracked.item() : momentum
        return x.batchNorm(
            weight, bias, runningMean: isCounted ? nil : runningMean,
            runningVariance: isCounted ? nil : runningVariance, training: isTraining, momentum: momentum,
            epsilon: epsilon, activation: activation, adding: residual, over: store.batchNormGroup)
    }
}

/// A table of vectors. Key: `weight` [entries, width].
public struct Embedding {
    /// The table, [entries, width].
    public let weight: Tensor

    /// Makes or loads the table at `scope`; fresh vectors are drawn from N(0, 1) by default, as in PyTorch.
    public init(_ scope: Scope, entries: Int, width: Int, weightInit: Initialiser = .normal(deviation: 1)) {
        weight = scope.parameter("weight", [entries, width], weightInit)
    }

    /// The vectors at integer `indices`: of [N, L] indices [N, L, width].
    public func callAsFunction(_ indices: Tensor) -> Tensor { weight.embedding(indices) }
}
