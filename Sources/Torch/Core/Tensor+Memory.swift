import CTorch
import Foundations

private final class Keeper {
    let owner: AnyObject
    init(_ owner: AnyObject) { self.owner = owner }
}

extension Tensor {
    /// A tensor of these values in row-major order.
    ///
    ///     Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3])    // [[1, 2, 3], [4, 5, 6]]
    /// - Parameter shape: sizes of the dimensions; one dimension of all values by default.
    /// - Precondition: `values.count` is the product of `shape`.
    public convenience init<Element: TensorElement>(_ values: [Element], shape: [Int]? = nil, device: Device = .cpu) {
        let shape = shape ?? [values.count]
        precondition(values.count == shape.reduce(1, *), "\(values.count) values do not fill shape \(shape)")
        let made = Tensor.empty(shape, dtype: Element.dtype)
        if !values.isEmpty {
            made.withUnsafeMutableBytes { target in
                values.withUnsafeBytes { target.copyMemory(from: $0) }
            }
        }
        let placed = device.kind == .cpu ? made : made.to(device: device)
        ct_tensor_retain(placed.handle)
        self.init(owning: placed.handle)
    }

    /// A tensor of one value without dimensions: shape [].
    public convenience init<Element: TensorElement>(_ value: Element, device: Device = .cpu) {
        self.init([value], shape: [], device: device)
    }

    /// A CPU tensor over memory of another owner (a mapped file), which lives as long as the tensor or any view of it.
    /// - Precondition: `bytes` holds the product of `shape` elements and is aligned for them.
    public convenience init(borrowing bytes: UnsafeRawBufferPointer, shape: [Int], dtype: DType, owner: AnyObject) {
        precondition(bytes.count >= shape.reduce(1, *) * dtype.byteCount, "too few bytes for shape \(shape)")
        let context = Unmanaged.passRetained(Keeper(owner)).toOpaque()
        var out: ct_tensor?
        let sizes = shape.map(Int64.init)
        check(
            ct_tensor_from_memory(
                UnsafeMutableRawPointer(mutating: bytes.baseAddress), sizes, sizes.count, dtype.rawValue,
                { Unmanaged<Keeper>.fromOpaque($0!).release() }, context, &out),
            "from_memory")
        guard let out else {
            let empty = Tensor.afterFailure
            ct_tensor_retain(empty.handle)
            self.init(owning: empty.handle)
            return
        }
        self.init(owning: out)
    }

    /// A tensor whose elements are whatever the memory held before: write before you read.
    ///
    ///     Tensor.empty([2, 3]).shape    // [2, 3]
    public static func empty(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        var out: ct_tensor?
        let sizes = shape.map(Int64.init)
        check(ct_tensor_empty(sizes, sizes.count, dtype.rawValue, device.code, &out), "empty")
        return out.map(Tensor.init(owning:)) ?? .afterFailure
    }

    /// The memory of a contiguous CPU tensor, for writing.
    public func withUnsafeMutableBytes<Result>(_ body: (UnsafeMutableRawBufferPointer) throws -> Result) rethrows
        -> Result
    {
        precondition(device.kind == .cpu && isContiguous, "needs a contiguous CPU tensor")
        var pointer: UnsafeMutableRawPointer?
        check(ct_tensor_data(handle, &pointer), "data")
        defer { withExtendedLifetime(self) {} }
        return try body(UnsafeMutableRawBufferPointer(start: pointer, count: count * dtype.byteCount))
    }

    /// The elements in row-major order, converted when the tensor's type is another.
    public func scalars<Element: TensorElement>(_ type: Element.Type = Element.self) -> [Element] {
        // First to the CPU: not every device has every type.
        let source = detached().to(device: .cpu).to(dtype: Element.dtype).contiguous()
        return [Element](unsafeUninitializedCapacity: source.count) { buffer, filled in
            source.withUnsafeMutableBytes { bytes in
                UnsafeMutableRawBufferPointer(buffer).copyMemory(from: UnsafeRawBufferPointer(bytes))
            }
            filled = source.count
        }
    }

    /// The value of a tensor of one element, converted to `Double`; waits for the device.
    public func item() -> Double {
        var out = 0.0
        check(ct_tensor_item(handle, &out), "item")
        return out
    }

    /// Where a CPU tensor's first element lies.
    var address: UnsafeMutableRawPointer? {
        var out: UnsafeMutableRawPointer?
        check(ct_tensor_data(handle, &out), "data")
        return out
    }

    /// Gives the memory of a frozen tensor back to the system where that is a mapped file's, unchanged; it is read again when
    /// it is next used.
    func releasePages() {
        guard device == .cpu, isContiguous, !requiresGrad, ct_tensor_version(handle) == 0 else { return }
        MappedFile.releasePages(UnsafeRawBufferPointer(start: address, count: count * dtype.byteCount))
    }
}
