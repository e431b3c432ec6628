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
    static let foreachNorm = Operator("aten::_foreach_norm", "Scalar")
}

extension Tensor {
    /// - Parameter dtype: what is added up in, and the result's type; by default this tensor's (int64 for integers).
    public func sum(dtype: DType? = nil) -> Tensor { Op.sum(.tensor(self), .dtype(dtype)) }
    public func sum(_ dimensions: [Int], keepDimensions: Bool = false) -> Tensor {
        Op.sumDim(.tensor(self), .ints(dimensions), .bool(keepDimensions))
    }
    public func mean() -> Tensor { Op.mean(.tensor(self)) }
    public func mean(_ dimensions: [Int], keepDimensions: Bool = false) -> Tensor {
        Op.meanDim(.tensor(self), .ints(dimensions), .bool(keepDimensions))
    }
    /// Variance; `correction` 1 is the unbiased estimate.
    public func variance(_ dimensions: [Int], correction: Int = 1, keepDimensions: Bool = false) -> Tensor {
        Op.variance(.tensor(self), .ints(dimensions), .int(correction), .bool(keepDimensions))
    }
    public func max(_ dimensions: [Int] = [], keepDimensions: Bool = false) -> Tensor {
        Op.amax(.tensor(self), .ints(dimensions), .bool(keepDimensions))
    }
    public func min(_ dimensions: [Int] = [], keepDimensions: Bool = false) -> Tensor {
        Op.amin(.tensor(self), .ints(dimensions), .bool(keepDimensions))
    }
    public func argmax(_ dimension: Int) -> Tensor { Op.argmax(.tensor(self), .int(dimension)) }
    public func argmin(_ dimension: Int) -> Tensor { Op.argmin(.tensor(self), .int(dimension)) }
    /// Euclidean norm of all elements.
    public func norm() -> Tensor { Op.norm(.tensor(self)) }
    public func norm(_ dimensions: [Int], keepDimensions: Bool = false) -> Tensor {
        Op.norm(.tensor(self), .double(2), .ints(dimensions), .bool(keepDimensions))
    }
    public func all() -> Tensor { Op.all(.tensor(self)) }
    public func logSumExp(_ dimension: Int) -> Tensor { Op.logsumexp(.tensor(self), .ints([dimension])) }

    /// Euclidean norm of each tensor of a list, in one call.
    static func norms(_ tensors: [Tensor]) -> [Tensor] {
        Op.foreachNorm.tensors(.tensors(tensors), .double(2), capacity: tensors.count)
    }
}

/// How a loss over a batch becomes one number. Raw values are libtorch's.
public enum LossReduction: Int, Sendable {
    case none = 0
    case mean = 1
    case sum = 2
}

/// Cross-entropy of logits [N, classes] against class indices [N] (int64) or class probabilities [N, classes].
public func crossEntropy(
    _ logits: Tensor, _ labels: Tensor, reduction: LossReduction = .mean, labelSmoothing: Double = 0
) -> Tensor {
    Op.crossEntropy(
        .tensor(logits), .tensor(labels), .none, .int(reduction.rawValue), .int(-100), .double(labelSmoothing))
}

/// Mean squared error of two tensors of the same shape.
public func meanSquaredError(_ a: Tensor, _ b: Tensor, reduction: LossReduction = .mean) -> Tensor {
    Op.mse(.tensor(a), .tensor(b), .int(reduction.rawValue))
}

/// Cosine similarity along a dimension.
public func cosineSimilarity(_ a: Tensor, _ b: Tensor, dimension: Int = 1) -> Tensor {
    Op.cosine(.tensor(a), .tensor(b), .int(dimension))
}
