private enum Op {
    static let zeros = Operator("aten::zeros")
    static let full = Operator("aten::full")
    static let arange = Operator("aten::arange", "start_step")
    static let randn = Operator("aten::randn", "generator")
    static let rand = Operator("aten::rand", "generator")
    static let randint = Operator("aten::randint", "low_generator")
    static let randperm = Operator("aten::randperm", "generator")
    static let zerosLike = Operator("aten::zeros_like")
    static let onesLike = Operator("aten::ones_like")
    static let uniform = Operator("aten::uniform_")
    static let normal = Operator("aten::normal_")
    static let bernoulli = Operator("aten::bernoulli_", "float")
}

extension Tensor {
    public static func zeros(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        Op.zeros(.ints(shape), .dtype(dtype), .none, .device(device))
    }
    public static func full(_ shape: [Int], _ value: Double, dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        Op.full(.ints(shape), .double(value), .dtype(dtype), .none, .device(device))
    }
    public static func ones(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        full(shape, 1, dtype: dtype, device: device)
    }
    public static func arange(
        _ start: Double = 0, to end: Double, step: Double = 1, dtype: DType = .float32, device: Device = .cpu
    ) -> Tensor {
        Op.arange(.double(start), .double(end), .double(step), .dtype(dtype), .none, .device(device))
    }
    public func zerosLike() -> Tensor { Op.zerosLike(.tensor(self)) }
    public func onesLike() -> Tensor { Op.onesLike(.tensor(self)) }

    /// Standard normal numbers; the same generator state gives PyTorch's numbers.
    public static func randn(_ shape: [Int], generator: Generator, dtype: DType = .float32) -> Tensor {
        Op.randn(.ints(shape), .generator(generator), .dtype(dtype), .none, .device(generator.device))
    }
    /// Uniform numbers in [0, 1).
    public static func rand(_ shape: [Int], generator: Generator, dtype: DType = .float32) -> Tensor {
        Op.rand(.ints(shape), .generator(generator), .dtype(dtype), .none, .device(generator.device))
    }
    /// Uniform int64 numbers in `range`.
    public static func randint(_ range: Range<Int>, _ shape: [Int], generator: Generator) -> Tensor {
        Op.randint(
            .int(range.lowerBound), .int(range.upperBound), .ints(shape), .generator(generator), .dtype(.int64), .none,
            .device(generator.device))
    }
    public static func randperm(_ count: Int, generator: Generator) -> Tensor {
        Op.randperm(.int(count), .generator(generator), .dtype(.int64), .none, .device(generator.device))
    }
    /// Ones with this probability, zeros otherwise.
    public static func bernoulli(
        _ shape: [Int], probability: Double, generator: Generator, dtype: DType = .float32
    ) -> Tensor {
        let made = Tensor.empty(shape, dtype: dtype, device: generator.device)
        Op.bernoulli.run(.tensor(made), .double(probability), .generator(generator))
        return made
    }
    /// Zeroes elements with this probability and scales the others by 1 / (1 − probability), as `torch.nn.functional.dropout`.
    public func dropout(_ probability: Double, generator: Generator) -> Tensor {
        guard probability > 0 else { return self }
        let keep = 1 - probability
        guard keep > 0 else { return self * 0 }
        return self * (Tensor.bernoulli(shape, probability: keep, generator: generator, dtype: dtype) / keep)
    }
    public func uniform_(from low: Double, to high: Double, generator: Generator) {
        Op.uniform.run(.tensor(self), .double(low), .double(high), .generator(generator))
    }
    public func normal_(mean: Double, deviation: Double, generator: Generator) {
        Op.normal.run(.tensor(self), .double(mean), .double(deviation), .generator(generator))
    }
}
