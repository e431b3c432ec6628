import Synchronization

/// A call of an operator, as ``tracingOperators(_:)`` saw it.
public struct OperatorCall {
    /// An argument of a call.
    public enum Argument {
        /// None, or the default of the operator's schema.
        case none
        /// A tensor, as the operator got it.
        case tensor(Tensor)
        /// A whole number, or a truth value as 0 or 1.
        case int(Int)
        /// A real number.
        case double(Double)
        /// A text, such as a padding mode.
        case string(String)
        /// Whole numbers, or truth values as 0 and 1.
        case ints([Int])
        /// Real numbers, or scalars of any type.
        case doubles([Double])
        /// Tensors; nil stands for none.
        case tensors([Tensor?])
        /// A device or a generator.
        case other
    }

    /// The operator's name without its overload: `aten::add`. One that works in place ends with `_`.
    public let name: String
    /// The arguments in the order of the schema; those at the end that were left out are not among them.
    public let arguments: [Argument]
    /// What came out; nothing for one that works in place on its first argument.
    public let results: [Tensor]
}

/// Runs `body` and tells which operators it called through libtorch, one after the other; what libtorch calls by itself is not
/// among them. Tensors of the calls are kept alive by them, so that each can be known by its identity.
public func tracingOperators<Result>(_ body: () throws -> Result) rethrows -> (result: Result, calls: [OperatorCall]) {
    let trace = OperatorTrace()
    OperatorTrace.active.add(1, ordering: .relaxed)
    defer { OperatorTrace.active.subtract(1, ordering: .relaxed) }
    let result = try OperatorTrace.$current.withValue(trace, operation: body)
    return (result, trace.calls)
}

/// The calls of a ``tracingOperators(_:)`` block.
final class OperatorTrace: @unchecked Sendable {  // only touched by the thread that runs the block
    @TaskLocal static var current: OperatorTrace?
    /// Blocks that run: a call outside of any costs no more than a look at it.
    static let active = Atomic(0)
    private(set) var calls: [OperatorCall] = []

    /// Whether this thread's operators are watched.
    static var isOn: Bool { active.load(ordering: .relaxed) > 0 && current != nil }

    static func record(_ name: String, _ inputs: [Value], _ results: [Tensor]) {
        guard active.load(ordering: .relaxed) > 0, let current else { return }
        current.calls.append(OperatorCall(name: name, arguments: inputs.map(\.argument), results: results))
    }
}
