import CTorch

/// An argument of an operator.
public struct Value {
    /// What the C layer is given.
    fileprivate let encoded: ct_value
    /// Keeps alive what `encoded` points to.
    private let owner: AnyObject?

    private init(
        _ tag: Int, count: Int = 1, integer: Int = 0, real: Double = 0, pointer: UnsafeRawPointer? = nil,
        owner: AnyObject? = nil
    ) {
        encoded = ct_value(tag: Int32(tag), count: Int32(count), integer: Int64(integer), real: real, pointer: pointer)
        self.owner = owner
    }

    private init<Element>(_ tag: Int, _ items: [Element], keeping tensors: [Tensor?] = []) {
        let memory = ArgumentMemory(items, tensors)
        self.init(tag, count: items.count, pointer: memory.address, owner: memory)
    }

    /// No value: Python's `None`, for an optional argument.
    public static var none: Value { Value(CT_NONE) }
    /// The default of the operator's schema.
    public static var `default`: Value { Value(CT_DEFAULT) }
    /// A tensor as an argument; the call keeps it alive.
    public static func tensor(_ tensor: Tensor) -> Value {
        Value(CT_TENSOR, pointer: UnsafeRawPointer(tensor.handle), owner: tensor)
    }
    /// A whole number (`int` in a schema).
    public static func int(_ item: Int) -> Value { Value(CT_INT, integer: item) }
    /// A real number (`float` or `Scalar` in a schema).
    public static func double(_ item: Double) -> Value { Value(CT_DOUBLE, real: item) }
    /// A truth value (`bool` in a schema).
    public static func bool(_ item: Bool) -> Value { Value(CT_BOOL, integer: item ? 1 : 0) }
    /// A text (`str` in a schema), such as `"tanh"`.
    public static func string(_ text: String) -> Value { Value(CT_STRING, Array(text.utf8CString)) }
    /// A list of whole numbers (`int[]` in a schema): shapes, dimensions, strides.
    public static func ints(_ items: [Int]) -> Value { Value(CT_INT_LIST, items) }
    /// A list of real numbers (`float[]` in a schema).
    public static func doubles(_ items: [Double]) -> Value { Value(CT_DOUBLE_LIST, items) }
    /// A list of truth values (`bool[]` in a schema).
    public static func bools(_ items: [Bool]) -> Value { Value(CT_BOOL_LIST, items.map { $0 ? 1 : 0 }) }
    /// A list of numbers of any type (`Scalar[]` in a schema).
    public static func scalars(_ items: [Double]) -> Value { Value(CT_SCALAR_LIST, items) }
    /// A list of tensors (`Tensor[]` or `Tensor?[]` in a schema); nil stands for none.
    public static func tensors(_ items: [Tensor?]) -> Value {
        Value(CT_TENSOR_LIST, items.map { $0?.handle }, keeping: items)
    }
    /// A device (`Device` in a schema).
    public static func device(_ device: Device) -> Value { Value(CT_DEVICE, integer: Int(device.code)) }
    /// A generator of random numbers (`Generator?` in a schema).
    public static func generator(_ generator: Generator) -> Value {
        Value(CT_GENERATOR, pointer: UnsafeRawPointer(generator.handle), owner: generator)
    }
    /// An element type (`ScalarType?` in a schema); nil leaves the choice to the operator.
    public static func dtype(_ dtype: DType?) -> Value { dtype.map { .int(Int($0.rawValue)) } ?? .none }
    /// A tensor or none (`Tensor?` in a schema).
    public static func optional(_ tensor: Tensor?) -> Value { tensor.map(Value.tensor) ?? .none }
}

extension Value {
    /// What the value is.
    var argument: OperatorCall.Argument {
        func list<Element>(_ type: Element.Type) -> [Element] {
            guard let pointer = encoded.pointer else { return [] }
            return Array(
                UnsafeBufferPointer(start: pointer.assumingMemoryBound(to: type), count: Int(encoded.count)))
        }
        switch Int(encoded.tag) {
        case CT_NONE, CT_DEFAULT: return .none
        case CT_TENSOR: return (owner as? Tensor).map { .tensor($0) } ?? .none
        case CT_INT, CT_BOOL: return .int(Int(encoded.integer))
        case CT_DOUBLE: return .double(encoded.real)
        case CT_STRING: return .string(String(decoding: list(UInt8.self).dropLast(), as: UTF8.self))
        case CT_INT_LIST, CT_BOOL_LIST: return .ints(list(Int.self))
        case CT_DOUBLE_LIST, CT_SCALAR_LIST: return .doubles(list(Double.self))
        case CT_TENSOR_LIST: return .tensors((owner as? ArgumentMemory)?.tensors ?? [])
        default: return .other
        }
    }
}

/// Memory of a list or a text among the arguments of a call.
private final class ArgumentMemory {
    let address: UnsafeRawPointer
    let tensors: [Tensor?]

    init<Element>(_ items: [Element], _ tensors: [Tensor?]) {
        self.tensors = tensors
        let size = max(1, items.count * MemoryLayout<Element>.stride)
        let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
        items.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { block.copyMemory(from: base, byteCount: bytes.count) }
        }
        address = UnsafeRawPointer(block)
    }

    deinit { address.deallocate() }
}

/// One ATen operator, found once and called boxed through libtorch's dispatcher.
///
///     static let add = Operator("aten::add", "Tensor")
///     add(.tensor(a), .tensor(b))
public struct Operator: @unchecked Sendable {  // the handle is immutable and lives as long as the process
    private let handle: ct_operator?
    private let name: String

    /// Looks an operator up by name and overload, such as `"aten::sum", "dim_IntList"`.
    ///
    /// A name that this libtorch does not have is a failure as an operator's, now and in every call; see
    /// ``exists(_:_:)``.
    public init(_ name: String, _ overload: String = "") {
        self.name = name
        var out: ct_operator?
        check(ct_operator_find(name, overload, &out), name)
        handle = out
    }

    /// Whether this libtorch was built with an operator.
    public static func exists(_ name: String, _ overload: String = "") -> Bool {
        var out: ct_operator?
        let status = ct_operator_find(name, overload, &out)
        ct_message_free(status.message)
        return status.code == 0
    }

    /// Calls an operator with one tensor as its result.
    @discardableResult
    public func callAsFunction(_ inputs: Value...) -> Tensor {
        var result: Tensor?
        call(inputs, capacity: 1) { outputs in
            if let output = outputs.first, let pointer = output.pointer {
                result = Tensor(owning: ct_tensor(pointer))
            }
        }
        let tensor = result ?? .afterFailure
        OperatorTrace.record(name, inputs, [tensor])
        return tensor
    }

    /// Calls an operator with several tensors as results.
    public func tensors(_ inputs: Value..., capacity: Int) -> [Tensor] {
        var results: [Tensor] = []
        call(inputs, capacity: capacity) { outputs in
            results = outputs.map { output in
                output.pointer.map { Tensor(owning: ct_tensor($0)) } ?? .afterFailure
            }
        }
        // After a failure a caller still finds its results.
        while results.count < capacity, ErrorScope.current?.first != nil { results.append(.afterFailure) }
        OperatorTrace.record(name, inputs, results)
        return results
    }

    /// Calls an operator for its effect, such as one that works in place.
    public func run(_ inputs: Value...) {
        call(inputs, capacity: 1) { outputs in
            for output in outputs where output.tag == Int32(CT_TENSOR) {
                if let pointer = output.pointer { ct_tensor_release(ct_tensor(pointer)) }
            }
        }
        OperatorTrace.record(name, inputs, [])
    }

    private func call(_ inputs: [Value], capacity: Int, _ take: (UnsafeBufferPointer<ct_value>) -> Void) {
        guard let handle else { return fail(TorchError("this libtorch has no operator \(name)")) }
        withUnsafeTemporaryAllocation(of: ct_value.self, capacity: inputs.count + capacity) { buffer in
            guard let values = buffer.baseAddress else { return }
            for index in inputs.indices { values[index] = inputs[index].encoded }
            var produced = 0
            let status = ct_call(handle, values, inputs.count, values + inputs.count, capacity, &produced)
            withExtendedLifetime(inputs) {}
            if status.code == 0 {
                take(UnsafeBufferPointer(start: values + inputs.count, count: produced))
            } else {
                check(status, name)
            }
        }
    }
}
