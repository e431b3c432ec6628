import CTorch

/// An argument or a result of an operator.
public enum Value {
    case none
    /// The default of the operator's schema.
    case `default`
    case tensor(Tensor)
    case int(Int)
    case double(Double)
    case bool(Bool)
    case string(String)
    case ints([Int])
    case doubles([Double])
    case bools([Bool])
    case tensors([Tensor?])
    case device(Device)
    case generator(Generator)

    public static func dtype(_ dtype: DType?) -> Value { dtype.map { .int(Int($0.rawValue)) } ?? .none }
    public static func optional(_ tensor: Tensor?) -> Value { tensor.map(Value.tensor) ?? .none }
}

/// One ATen operator, found once and called boxed through libtorch's dispatcher.
///
///     static let add = Operator("aten::add", "Tensor")
///     add(.tensor(a), .tensor(b))
public struct Operator: @unchecked Sendable {  // the handle is immutable and lives as long as the process
    private let handle: ct_operator?
    private let name: String

    public init(_ name: String, _ overload: String = "") {
        self.name = name
        var out: ct_operator?
        check(ct_operator_find(name, overload, &out), name)
        handle = out
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
        return result ?? .afterFailure
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
        return results
    }

    /// Calls an operator for its effect.
    public func run(_ inputs: Value...) {
        call(inputs, capacity: 1) { outputs in
            for output in outputs where output.tag == Int32(CT_TENSOR) {
                if let pointer = output.pointer { ct_tensor_release(ct_tensor(pointer)) }
            }
        }
    }

    private func call(_ inputs: [Value], capacity: Int, _ take: (UnsafeBufferPointer<ct_value>) -> Void) {
        guard let handle else { return }
        withUnsafeTemporaryAllocation(of: ct_value.self, capacity: inputs.count + capacity) { buffer in
            guard let values = buffer.baseAddress else { return }
            var arena = Arena()
            for index in inputs.indices { values[index] = arena.encode(inputs[index]) }
            var produced = 0
            let status = ct_call(handle, values, inputs.count, values + inputs.count, capacity, &produced)
            withExtendedLifetime(inputs) {}
            arena.free()
            if status.code == 0 {
                take(UnsafeBufferPointer(start: values + inputs.count, count: produced))
            } else {
                check(status, name)
            }
        }
    }
}

/// Memory of list and string arguments during one call.
private struct Arena {
    private var blocks: [UnsafeMutableRawPointer] = []

    private mutating func list<Element>(_ items: [Element]) -> UnsafeRawPointer {
        let size = max(1, items.count * MemoryLayout<Element>.stride)
        let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
        items.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { block.copyMemory(from: base, byteCount: bytes.count) }
        }
        blocks.append(block)
        return UnsafeRawPointer(block)
    }

    mutating func encode(_ value: Value) -> ct_value {
        func make(
            _ tag: Int, count: Int = 1, integer: Int = 0, real: Double = 0, pointer: UnsafeRawPointer? = nil
        ) -> ct_value {
            ct_value(tag: Int32(tag), count: Int32(count), integer: Int64(integer), real: real, pointer: pointer)
        }
        switch value {
        case .none: return make(CT_NONE)
        case .default: return make(CT_DEFAULT)
        case .tensor(let tensor): return make(CT_TENSOR, pointer: UnsafeRawPointer(tensor.handle))
        case .int(let item): return make(CT_INT, integer: item)
        case .double(let item): return make(CT_DOUBLE, real: item)
        case .bool(let item): return make(CT_BOOL, integer: item ? 1 : 0)
        case .string(let text): return make(CT_STRING, pointer: list(Array(text.utf8CString)))
        case .ints(let items): return make(CT_INT_LIST, count: items.count, pointer: list(items))
        case .doubles(let items): return make(CT_DOUBLE_LIST, count: items.count, pointer: list(items))
        case .bools(let items):
            return make(CT_BOOL_LIST, count: items.count, pointer: list(items.map { $0 ? 1 : 0 }))
        case .tensors(let items):
            return make(CT_TENSOR_LIST, count: items.count, pointer: list(items.map { $0?.handle }))
        case .device(let device): return make(CT_DEVICE, integer: Int(device.code))
        case .generator(let generator):
            return make(CT_GENERATOR, pointer: UnsafeRawPointer(generator.handle))
        }
    }

    func free() {
        for block in blocks { block.deallocate() }
    }
}
