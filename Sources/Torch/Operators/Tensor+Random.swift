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
    /// A tensor of zeros: `Tensor.zeros([2, 3])` has shape [2, 3].
    public static func zeros(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        Op.zeros(.ints(shape), .dtype(dtype), .none, .device(device))
    }
    /// A tensor of one number everywhere: `Tensor.full([2, 3], 0.5)` has shape [2, 3].
    public static func full(_ shape: [Int], _ value: Double, dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        Op.full(.ints(shape), .double(value), .dtype(dtype), .none, .device(device))
    }
    /// A tensor of ones: `Tensor.ones([2, 3])` has shape [2, 3].
    public static func ones(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        full(shape, 1, dtype: dtype, device: device)
    }
    /// The numbers start, start + step, … below `end`: `Tensor.arange(to: 5)` is [0, 1, 2, 3, 4].
    public static func arange(
        _ start: Double = 0, to end: Double, step: Double = 1, dtype: DType = .float32, device: Device = .cpu
    ) -> Tensor {
        Op.arange(.double(start), .double(end), .double(step), .dtype(dtype), .none, .device(device))
    }
    /// Zeros of this tensor's shape, type, device and memory format.
    public func zerosLike() -> Tensor { Op.zerosLike(.tensor(self)) }
    /// Ones of this tensor's shape, type, device and memory format.
    public func onesLike() -> Tensor { Op.onesLike(.tensor(self)) }

    /// Numbers from N(0, 1) on the generator's device; the same generator state gives PyTorch's numbers:
    /// `Tensor.randn([2, 3], generator: g)` has shape [2, 3].
    public static func randn(_ shape: [Int], generator: Generator, dtype: DType = .float32) -> Tensor {
        Op.randn(.ints(shape), .generator(generator), .dtype(dtype), .none, .device(generator.device))
    }
    /// Uniform numbers in [0, 1) on the generator's device: `Tensor.rand([2, 3], generator: g)` has shape [2, 3].
    public static func rand(_ shape: [Int], generator: Generator, dtype: DType = .float32) -> Tensor {
        Op.rand(.ints(shape), .generator(generator), .dtype(dtype), .none, .device(generator.device))
    }
    /// Uniform int64 numbers in `range` on the generator's device: `Tensor.randint(0..<10, [8], generator: g)` has
    /// shape [8].
    public static func randint(_ range: Range<Int>, _ shape: [Int], generator: Generator) -> Tensor {
        Op.randint(
            .int(range.lowerBound), .int(range.upperBound), .ints(shape), .generator(generator), .dtype(.int64), .none,
            .device(generator.device))
    }
    /// The numbers 0 ..< count in random order, int64: `Tensor.randperm(5, generator: g)` has shape [5].
    public static func randperm(_ count: Int, generator: Generator) -> Tensor {
        Op.randperm(.int(count), .generator(generator), .dtype(.int64), .none, .device(generator.device))
    }
    /// Ones with this probability, zeros otherwise, on the generator's device: of the given shape.
    public static func bernoulli(
        _ shape: [Int], probability: Double, generator: Generator, dtype: DType = .float32
    ) -> Tensor {
        let made = Tensor.empty(shape, dtype: dtype, device: generator.device)
        Op.bernoulli.run(.tensor(made), .double(probability), .generator(generator))
        return made
    }
    /// Zeroes elements with this probability and scales the others by 1 / (1 − probability), as
    /// `torch.nn.functional.dropout`; the draws come from `generator` and the shape stays.
    public func dropout(_ probability: Double, generator: Generator) -> Tensor {
        guard probability > 0 else { return self }
        let keep = 1 - probability
        guard keep > 0 else { return self * 0 }
        return self * (Tensor.bernoulli(shape, probability: keep, generator: generator, dtype: dtype) / keep)
    }
    /// Fills this tensor with uniform numbers in [low, high), in place.
    public func uniform_(from low: Double, to high: Double, generator: Generator) {
        Op.uniform.run(.tensor(self), .double(low), .double(high), .generator(generator))
    }
    /// Fills this tensor with numbers from N(mean, deviation²), in place.
    public func normal_(mean: Double, deviation: Double, generator: Generator) {
        Op.normal.run(.tensor(self), .double(mean), .double(deviation), .generator(generator))
    }
}
