import CTorch

/// An n-dimensional array on a device, with reference semantics as in PyTorch: a view shares memory with its base.
///
/// Operators do not throw: see ``withTorchErrors(_:)``.
public final class Tensor: @unchecked Sendable {
    // Safe to share: libtorch's reference counts are atomic; who writes in place synchronises.
    let handle: ct_tensor

    /// Takes over one reference.
    init(owning handle: ct_tensor) {
        self.handle = handle
    }

    deinit {
        ct_tensor_release(handle)
    }

    /// A tensor for after a failure, so that a block can end.
    static var afterFailure: Tensor {
        var out: ct_tensor?
        _ = ct_tensor_empty(nil, 0, DType.float32.rawValue, Device.cpu.code, &out)
        guard let out else { fatalError("out of memory") }
        return Tensor(owning: out)
    }

    /// Number of dimensions: 4 for a batch of images [N, C, H, W].
    public var rank: Int { Int(ct_tensor_rank(handle)) }
    /// Sizes of the dimensions, outermost first.
    public var shape: [Int] { (0..<ct_tensor_rank(handle)).map { Int(ct_tensor_size(handle, $0)) } }
    /// Distance between neighbours along each dimension, in elements.
    public var strides: [Int] { (0..<ct_tensor_rank(handle)).map { Int(ct_tensor_stride(handle, $0)) } }
    /// Number of elements.
    public var count: Int { Int(ct_tensor_count(handle)) }
    /// Type of the elements.
    public var dtype: DType { DType(rawValue: ct_tensor_dtype(handle)) ?? .float32 }
    /// Where the elements lie.
    public var device: Device { Device(code: ct_tensor_device(handle)) }
    /// Whether the elements lie in row-major order without gaps.
    public var isContiguous: Bool { ct_tensor_is_contiguous(handle) }

    /// Extent of one dimension; negative counts from the end.
    public func size(_ dimension: Int) -> Int {
        let rank = self.rank
        let positive = dimension < 0 ? dimension + rank : dimension
        guard (0..<rank).contains(positive) else {
            fail(TorchError("size: no dimension \(dimension) in a tensor of shape \(shape)"))
            return 1
        }
        return Int(ct_tensor_size(handle, Int32(positive)))
    }

    /// Whether operations on this tensor are recorded for its gradient. Only leaves of floating-point type can be set.
    public var requiresGrad: Bool {
        get { ct_tensor_requires_grad(handle) }
        set { check(ct_tensor_set_requires_grad(handle, newValue), "requires_grad") }
    }

    /// The gradient that ``backward(gradient:retainGraph:)`` accumulated, of this tensor's shape; nil before that and
    /// after ``Optimizer/zeroGrad()``.
    public var grad: Tensor? {
        get { ct_tensor_grad(handle).map(Tensor.init(owning:)) }
        set { check(ct_tensor_set_grad(handle, newValue?.handle), "grad") }
    }
}

extension Tensor: CustomStringConvertible {
    /// Shape, type and device, and the elements where they are at most 64.
    public var description: String {
        let head = "Tensor(shape: \(shape), \(dtype), \(device)"
        guard count <= 64 else { return head + ")" }
        return head + ", \(scalars(Double.self)))"
    }
}
