private enum Op {
    static let sum = Operator("aten::sum")
    static let sumDim = Operator("aten::sum", "dim_IntList")
    static let mean = Operator("aten::mean")
    static let meanDim = Operator("aten::mean", "dim")
    static let variance = Operator("aten::var", "correction")
    static let amax = Operator("aten::amax")
    static let amin = Operator("aten::amin")
    static let argmax = Operator("aten::argmax")
    static let argmin = Operator("aten::argmin")
    static let norm = Operator("aten::linalg_vector_norm")
    static let all = Operator("aten::all")
    static let logsumexp = Operator("aten::logsumexp")
    static let crossEntropy = Operator("aten::cross_entropy_loss")
    static let mse = Operator("aten::mse_loss")
    static let cosine = Operator("aten::cosine_similarity")
    static let quantile = Operator("aten::quantile", "scalar")
    static let sort = Operator("aten::sort")
    static let foreachNorm = Operator("aten::_foreach_norm", "Scalar")
}

extension Tensor {
    /// The sum of all elements: [2, 3] → [].
    /// - Parameter dtype: what is added up in, and the result's type; by default this tensor's (int64 for integers).
    public func sum(dtype: DType? = nil) -> Tensor { Op.sum(.tensor(self), .dtype(dtype)) }
    /// The sum along dimensions: [2, 3].sum([1]) → [2], with `keepDimensions` [2, 1].
    public func sum(_ dimensions: [Int], keepDimensions: Bool = false) -> Tensor {
        Op.sumDim(.tensor(self), .ints(dimensions), .bool(keepDimensions))
    }
    /// The mean of all elements, which are floating-point numbers: [2, 3] → [].
    public func mean() -> Tensor { Op.mean(.tensor(self)) }
    /// The mean along dimensions: [8, 3, 32, 32].mean([2, 3]) → [8, 3], with `keepDimensions` [8, 3, 1, 1].
    public func mean(_ dimensions: [Int], keepDimensions: Bool = false) -> Tensor {
        Op.meanDim(.tensor(self), .ints(dimensions), .bool(keepDimensions))
    }
    /// The variance along dimensions: [8, 3, 32, 32].variance([2, 3]) → [8, 3], with `keepDimensions` [8, 3, 1, 1].
    /// - Parameter correction: the sum of squares is divided by the number of elements less this; 1 is the unbiased
    ///   estimate.
    public func variance(_ dimensions: [Int], correction: Int = 1, keepDimensions: Bool = false) -> Tensor {
        Op.variance(.tensor(self), .ints(dimensions), .int(correction), .bool(keepDimensions))
    }
    /// The largest element along dimensions, of all by default: [2, 3].max([1]) → [2], [2, 3].max() → [].
    public func max(_ dimensions: [Int] = [], keepDimensions: Bool = false) -> Tensor {
        Op.amax(.tensor(self), .ints(dimensions), .bool(keepDimensions))
    }
    /// The smallest element along dimensions, of all by default: [2, 3].min([1]) → [2], [2, 3].min() → [].
    public func min(_ dimensions: [Int] = [], keepDimensions: Bool = false) -> Tensor {
        Op.amin(.tensor(self), .ints(dimensions), .bool(keepDimensions))
    }
    /// Where the largest element along a dimension lies, int64: [8, 10].argmax(1) → [8]. A classifier's prediction.
    public func argmax(_ dimension: Int) -> Tensor { Op.argmax(.tensor(self), .int(dimension)) }
    /// Where the smallest element along a dimension lies, int64: [8, 10].argmin(1) → [8].
    public func argmin(_ dimension: Int) -> Tensor { Op.argmin(.tensor(self), .int(dimension)) }
    /// Euclidean norm of all elements: [2, 3] → [].
    public func norm() -> Tensor { Op.norm(.tensor(self)) }
    /// Euclidean norm along dimensions: [2, 3].norm([1]) → [2], with `keepDimensions` [2, 1].
    public func norm(_ dimensions: [Int], keepDimensions: Bool = false) -> Tensor {
        Op.norm(.tensor(self), .double(2), .ints(dimensions), .bool(keepDimensions))
    }
    /// Whether all elements are true (not 0), as ``DType/bool``: [2, 3] → [].
    public func all() -> Tensor { Op.all(.tensor(self)) }
    /// log Σ eˣ along a dimension, computed stably: [8, 10].logSumExp(1) → [8].
    public func logSumExp(_ dimension: Int) -> Tensor { Op.logsumexp(.tensor(self), .ints([dimension])) }

    /// The value below which a share of the elements along a dimension lies, interpolated linearly between two of them;
    /// that dimension has extent 1 after: [8, 10].quantile(0.5, dimension: 1) → [8, 1].
    /// - Parameter share: 0 for the smallest element, 0.5 for the median, 1 for the largest.
    public func quantile(_ share: Double, dimension: Int) -> Tensor {
        Op.quantile(.tensor(self), .double(share), .int(dimension), .bool(true))
    }
    /// The elements along a dimension in ascending order, and where each comes from (int64): [2, 3].sorted(1) → [2, 3]
    /// and [2, 3].
    public func sorted(_ dimension: Int) -> (values: Tensor, indices: Tensor) {
        let sorted = Op.sort.tensors(.tensor(self), .int(dimension), .bool(false), capacity: 2)
        return (sorted[0], sorted[1])
    }

    /// Euclidean norm of each tensor of a list, in one call.
    static func norms(_ tensors: [Tensor]) -> [Tensor] {
        Op.foreachNorm.tensors(.tensors(tensors), .double(2), capacity: tensors.count)
    }
}

/// How a loss over a batch becomes one number. Raw values are libtorch's.
public enum LossReduction: Int, Sendable {
    /// Every item's loss for itself: [N].
    case none = 0
    /// The mean over the batch: [].
    case mean = 1
    /// The sum over the batch: [].
    case sum = 2
}

/// Cross-entropy of logits [N, classes] against class indices [N] (int64) or class probabilities [N, classes], as
/// PyTorch's `cross_entropy`: [] or, without reduction, [N].
/// - Parameter labelSmoothing: share of the target that is spread over all classes, 0…1.
public func crossEntropy(
    _ logits: Tensor, _ labels: Tensor, reduction: LossReduction = .mean, labelSmoothing: Double = 0
) -> Tensor {
    Op.crossEntropy(
        .tensor(logits), .tensor(labels), .none, .int(reduction.rawValue), .int(-100), .double(labelSmoothing))
}

/// Mean squared error of two tensors of the same shape: [] or, without reduction, of their shape.
public func meanSquaredError(_ a: Tensor, _ b: Tensor, reduction: LossReduction = .mean) -> Tensor {
    Op.mse(.tensor(a), .tensor(b), .int(reduction.rawValue))
}

/// Cosine similarity along a dimension, in −1…1: [8, 512] and [8, 512] → [8].
public func cosineSimilarity(_ a: Tensor, _ b: Tensor, dimension: Int = 1) -> Tensor {
    Op.cosine(.tensor(a), .tensor(b), .int(dimension))
}
