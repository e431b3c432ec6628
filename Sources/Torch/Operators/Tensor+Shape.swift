/// How a four-dimensional tensor lies in memory. Raw values are libtorch's.
public enum MemoryFormat: Int, Sendable {
    /// Row-major: width changes fastest, then height, channels, images.
    case contiguous = 0
    /// The format that the tensor has already.
    case preserve = 1
    /// Channels change fastest, as libtorch's convolutions prefer it; the shape stays [N, C, H, W].
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
    /// The same elements in another shape, without a copy where that can be; −1 stands for what is left: [2,
    /// 3].reshaped([3, −1]) → [3, 2].
    public func reshaped(_ shape: [Int]) -> Tensor { Op.reshape(.tensor(self), .ints(shape)) }
    /// The same elements in another shape, without a copy where that can be; −1 stands for what is left: [2, 3,
    /// 4].reshaped(2, −1) → [2, 12].
    public func reshaped(_ shape: Int...) -> Tensor { reshaped(shape) }
    /// A view with the dimensions in another order: [8, 32, 32, 3].permuted(0, 3, 1, 2) → [8, 3, 32, 32].
    public func permuted(_ order: Int...) -> Tensor { Op.permute(.tensor(self), .ints(order)) }
    /// A view with two dimensions exchanged: [8, 77, 768].transposed(1, 2) → [8, 768, 77].
    public func transposed(_ a: Int, _ b: Int) -> Tensor { Op.transpose(.tensor(self), .int(a), .int(b)) }
    /// A view with a new dimension of extent 1: [8, 10].unsqueezed(1) → [8, 1, 10].
    public func unsqueezed(_ dimension: Int) -> Tensor { Op.unsqueeze(.tensor(self), .int(dimension)) }
    /// A view without a dimension of extent 1; another extent stays: [8, 1, 10].squeezed(1) → [8, 10].
    public func squeezed(_ dimension: Int) -> Tensor { Op.squeeze(.tensor(self), .int(dimension)) }
    /// Neighbouring dimensions as one: [8, 3, 32, 32].flattened(from: 1) → [8, 3072].
    public func flattened(from start: Int = 0, to end: Int = -1) -> Tensor {
        Op.flatten(.tensor(self), .int(start), .int(end))
    }
    /// A view of a larger shape, whose new elements are the same memory; −1 keeps an extent: [8, 1].expanded([−1, 4]) →
    /// [8, 4].
    public func expanded(_ shape: [Int]) -> Tensor { Op.expand(.tensor(self), .ints(shape)) }
    /// Copies side by side along each dimension: [2, 3].repeated([2, 1]) → [4, 3], the rows twice in turn.
    public func repeated(_ counts: [Int]) -> Tensor { Op.repeatTensor(.tensor(self), .ints(counts)) }
    /// Every slice several times in a row: [2, 3].repeatInterleaved(2) → [4, 3], rows 0, 0, 1, 1.
    public func repeatInterleaved(_ count: Int, dimension: Int = 0) -> Tensor {
        Op.repeatInterleave(.tensor(self), .int(count), .int(dimension))
    }
    /// Tensors one behind the other along a dimension: [2, 3] and [4, 3] → [6, 3].
    public static func concatenated(_ tensors: [Tensor], dimension: Int = 0) -> Tensor {
        Op.cat(.tensors(tensors), .int(dimension))
    }
    /// Tensors of the same shape along a new dimension: two of [2, 3] → [2, 2, 3].
    public static func stacked(_ tensors: [Tensor], dimension: Int = 0) -> Tensor {
        Op.stack(.tensors(tensors), .int(dimension))
    }
    /// Views of parts of these sizes along a dimension: [6, 3].split([2, 4]) → [2, 3] and [4, 3].
    public func split(_ sizes: [Int], dimension: Int = 0) -> [Tensor] {
        Op.split.tensors(.tensor(self), .ints(sizes), .int(dimension), capacity: sizes.count)
    }
    /// Views of equal parts along a dimension, whose extent `parts` divides: [8, 6].chunked(2, dimension: 1) → [8, 3]
    /// and [8, 3].
    public func chunked(_ parts: Int, dimension: Int) -> [Tensor] {
        split([Int](repeating: size(dimension) / parts, count: parts), dimension: dimension)
    }
    /// A view of `length` neighbours along a dimension: [8, 10].narrowed(1, start: 2, length: 3) → [8, 3].
    public func narrowed(_ dimension: Int, start: Int, length: Int) -> Tensor {
        Op.narrow(.tensor(self), .int(dimension), .int(start), .int(length))
    }
    /// A view of one slice, without its dimension: [8, 3, 32, 32].selected(1, 0) → [8, 32, 32].
    public func selected(_ dimension: Int, _ index: Int) -> Tensor {
        Op.select(.tensor(self), .int(dimension), .int(index))
    }
    /// A view of every `step`-th slice from `start` up to before `end`; negative ones count from the end: [8,
    /// 10].sliced(1, from: 0, to: 10, step: 2) → [8, 5].
    public func sliced(_ dimension: Int, from start: Int, to end: Int, step: Int = 1) -> Tensor {
        Op.slice(.tensor(self), .int(dimension), .int(start), .int(end), .int(step))
    }
    /// Slices along a dimension in the order of the integer tensor `indices` [M]: [8, 3].indexSelect(0, [0, 0, 5]) →
    /// [3, 3].
    public func indexSelect(_ dimension: Int, _ indices: Tensor) -> Tensor {
        Op.indexSelect(.tensor(self), .int(dimension), .tensor(indices))
    }
    /// Elements along a dimension where the int64 tensor `indices` says, which has the result's shape: [8,
    /// 10].gathered(1, [8, 1]) → [8, 1], each row's chosen logit.
    public func gathered(_ dimension: Int, _ indices: Tensor) -> Tensor {
        Op.gather(.tensor(self), .int(dimension), .tensor(indices))
    }
    /// The elements in opposite order along dimensions: [8, 3, 32, 32].flipped(3) mirrors images.
    public func flipped(_ dimensions: Int...) -> Tensor { Op.flip(.tensor(self), .ints(dimensions)) }
    /// The elements moved along dimensions; what leaves at one end comes in at the other: [2, 3].rolled([1],
    /// dimensions: [1]) → [2, 3].
    public func rolled(_ shifts: [Int], dimensions: [Int]) -> Tensor {
        Op.roll(.tensor(self), .ints(shifts), .ints(dimensions))
    }
    /// Zeros around the elements; amounts go from the last dimension backwards, two each, as in PyTorch: [8, 3, 32,
    /// 32].padded([1, 1, 2, 2]) → [8, 3, 36, 34].
    public func padded(_ amounts: [Int]) -> Tensor { Op.pad(.tensor(self), .ints(amounts)) }
    /// The matrix with zeros below a diagonal; 1 is the one above the main: [4, 4] → [4, 4].
    public func upperTriangle(diagonal: Int = 0) -> Tensor { Op.triu(.tensor(self), .int(diagonal)) }
    /// Ones at class indices (int64), zeros elsewhere: [8].oneHot(10) → [8, 10], int64.
    public func oneHot(_ classes: Int) -> Tensor { Op.oneHot(.tensor(self), .int(classes)) }

    /// A view of one slice of the first dimension: [8, 3, 32, 32][0] → [3, 32, 32].
    public subscript(_ index: Int) -> Tensor { selected(0, index) }
    /// A view of neighbours in the first dimension: [8, 3, 32, 32][2..<5] → [3, 3, 32, 32].
    public subscript(_ range: Range<Int>) -> Tensor { narrowed(0, start: range.lowerBound, length: range.count) }

    /// The tensor on another device or in another type; itself where both are right already. The shape stays.
    public func to(device: Device? = nil, dtype: DType? = nil) -> Tensor {
        if let device, device.kind != self.device.kind || (device.index ?? 0) != (self.device.index ?? 0) {
            return Op.to(.tensor(self), .device(device), .dtype(dtype ?? self.dtype))
        }
        guard let dtype, dtype != self.dtype else { return self }
        return Op.toDType(.tensor(self), .dtype(dtype))
    }
    /// The tensor laid out in a memory format without gaps; itself where it is already. The shape stays.
    public func contiguous(_ format: MemoryFormat = .contiguous) -> Tensor {
        Op.contiguous(.tensor(self), .int(format.rawValue))
    }
    /// A copy with memory of its own, in the same layout; the gradient passes through.
    public func cloned() -> Tensor { Op.clone(.tensor(self)) }
    /// Makes this tensor hold the memory of another (PyTorch's `x.data = y`).
    func setData(_ other: Tensor) { Op.setData.run(.tensor(self), .tensor(other)) }
    /// The same memory without history: a gradient stops here.
    public func detached() -> Tensor { Op.detach(.tensor(self)) }
}
