/// How a four-dimensional tensor lies in memory. Raw values are libtorch's.
public enum MemoryFormat: Int, Sendable {
    case contiguous = 0
    case preserve = 1
    case channelsLast = 2
}

private enum Op {
    static let reshape = Operator("aten::reshape")
    static let permute = Operator("aten::permute")
    static let transpose = Operator("aten::transpose", "int")
    static let unsqueeze = Operator("aten::unsqueeze")
    static let squeeze = Operator("aten::squeeze", "dim")
    static let flatten = Operator("aten::flatten", "using_ints")
    static let expand = Operator("aten::expand")
    static let repeatTensor = Operator("aten::repeat")
    static let repeatInterleave = Operator("aten::repeat_interleave", "self_int")
    static let cat = Operator("aten::cat")
    static let stack = Operator("aten::stack")
    static let split = Operator("aten::split", "sizes")
    static let narrow = Operator("aten::narrow")
    static let select = Operator("aten::select", "int")
    static let slice = Operator("aten::slice", "Tensor")
    static let indexSelect = Operator("aten::index_select")
    static let gather = Operator("aten::gather")
    static let flip = Operator("aten::flip")
    static let roll = Operator("aten::roll")
    static let pad = Operator("aten::pad")
    static let to = Operator("aten::to", "device")
    static let toDType = Operator("aten::to", "dtype")
    static let contiguous = Operator("aten::contiguous")
    static let clone = Operator("aten::clone")
    static let detach = Operator("aten::detach")
    static let triu = Operator("aten::triu")
    static let setData = Operator("aten::set_data")
    static let oneHot = Operator("aten::one_hot")
}

extension Tensor {
    public func reshaped(_ shape: [Int]) -> Tensor { Op.reshape(.tensor(self), .ints(shape)) }
    public func reshaped(_ shape: Int...) -> Tensor { reshaped(shape) }
    public func permuted(_ order: Int...) -> Tensor { Op.permute(.tensor(self), .ints(order)) }
    public func transposed(_ a: Int, _ b: Int) -> Tensor { Op.transpose(.tensor(self), .int(a), .int(b)) }
    public func unsqueezed(_ dimension: Int) -> Tensor { Op.unsqueeze(.tensor(self), .int(dimension)) }
    public func squeezed(_ dimension: Int) -> Tensor { Op.squeeze(.tensor(self), .int(dimension)) }
    public func flattened(from start: Int = 0, to end: Int = -1) -> Tensor {
        Op.flatten(.tensor(self), .int(start), .int(end))
    }
    /// A view of a larger shape; −1 keeps an extent.
    public func expanded(_ shape: [Int]) -> Tensor { Op.expand(.tensor(self), .ints(shape)) }
    public func repeated(_ counts: [Int]) -> Tensor { Op.repeatTensor(.tensor(self), .ints(counts)) }
    public func repeatInterleaved(_ count: Int, dimension: Int = 0) -> Tensor {
        Op.repeatInterleave(.tensor(self), .int(count), .int(dimension))
    }
    public static func concatenated(_ tensors: [Tensor], dimension: Int = 0) -> Tensor {
        Op.cat(.tensors(tensors), .int(dimension))
    }
    public static func stacked(_ tensors: [Tensor], dimension: Int = 0) -> Tensor {
        Op.stack(.tensors(tensors), .int(dimension))
    }
    public func split(_ sizes: [Int], dimension: Int = 0) -> [Tensor] {
        Op.split.tensors(.tensor(self), .ints(sizes), .int(dimension), capacity: sizes.count)
    }
    /// Equal parts along a dimension.
    public func chunked(_ parts: Int, dimension: Int) -> [Tensor] {
        split([Int](repeating: size(dimension) / parts, count: parts), dimension: dimension)
    }
    public func narrowed(_ dimension: Int, start: Int, length: Int) -> Tensor {
        Op.narrow(.tensor(self), .int(dimension), .int(start), .int(length))
    }
    public func selected(_ dimension: Int, _ index: Int) -> Tensor {
        Op.select(.tensor(self), .int(dimension), .int(index))
    }
    public func sliced(_ dimension: Int, from start: Int, to end: Int, step: Int = 1) -> Tensor {
        Op.slice(.tensor(self), .int(dimension), .int(start), .int(end), .int(step))
    }
    /// Rows (slices along `dimension`) in the order of the integer tensor `indices`.
    public func indexSelect(_ dimension: Int, _ indices: Tensor) -> Tensor {
        Op.indexSelect(.tensor(self), .int(dimension), .tensor(indices))
    }
    public func gathered(_ dimension: Int, _ indices: Tensor) -> Tensor {
        Op.gather(.tensor(self), .int(dimension), .tensor(indices))
    }
    public func flipped(_ dimensions: Int...) -> Tensor { Op.flip(.tensor(self), .ints(dimensions)) }
    public func rolled(_ shifts: [Int], dimensions: [Int]) -> Tensor {
        Op.roll(.tensor(self), .ints(shifts), .ints(dimensions))
    }
    /// Zero padding; amounts go from the last dimension backwards, two each, as in PyTorch.
    public func padded(_ amounts: [Int]) -> Tensor { Op.pad(.tensor(self), .ints(amounts)) }
    public func upperTriangle(diagonal: Int = 0) -> Tensor { Op.triu(.tensor(self), .int(diagonal)) }
    public func oneHot(_ classes: Int) -> Tensor { Op.oneHot(.tensor(self), .int(classes)) }

    /// First element of dimension 0, and so on.
    public subscript(_ index: Int) -> Tensor { selected(0, index) }
    public subscript(_ range: Range<Int>) -> Tensor { narrowed(0, start: range.lowerBound, length: range.count) }

    public func to(device: Device? = nil, dtype: DType? = nil) -> Tensor {
        if let device, device.kind != self.device.kind || (device.index ?? 0) != (self.device.index ?? 0) {
            return Op.to(.tensor(self), .device(device), .dtype(dtype ?? self.dtype))
        }
        guard let dtype, dtype != self.dtype else { return self }
        return Op.toDType(.tensor(self), .dtype(dtype))
    }
    public func contiguous(_ format: MemoryFormat = .contiguous) -> Tensor {
        Op.contiguous(.tensor(self), .int(format.rawValue))
    }
    public func cloned() -> Tensor { Op.clone(.tensor(self)) }
    /// Makes this tensor hold the memory of another (PyTorch's `x.data = y`).
    func setData(_ other: Tensor) { Op.setData.run(.tensor(self), .tensor(other)) }
    /// The same memory without history.
    public func detached() -> Tensor { Op.detach(.tensor(self)) }
}
