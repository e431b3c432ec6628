import CTorch

/// Runs `body` without keeping what its gradient needs; the gradient runs it again (gradient checkpointing, Chen et al.
/// 2016). Less memory, for the time of one more forward pass.
///
/// The gradient is the same as without: to the last bit, but for attention on CPUs, which rounds otherwise where no
/// gradient is recorded, as in the first run. It cannot be differentiated once more. Under ``noGrad(_:)`` this
/// is `body` alone.
/// - Parameters:
///   - inputs: what `body` is given; one at least.
///   - parameters: the leaves that `body` uses beside its inputs; those that require no gradient may be among them.
///   - body: a function of `inputs` and `parameters` alone: no random numbers, and nothing changed by its second run.
public func recomputed(
    _ inputs: [Tensor], parameters: [Tensor], _ body: @escaping ([Tensor]) -> Tensor
) -> Tensor {
    guard ct_grad_mode() else { return body(inputs) }
    let context = Unmanaged.passRetained(RecomputedBody(body)).toOpaque()
    var out: ct_tensor?
    let given: [ct_tensor?] = inputs.map(\.handle)
    let leaves: [ct_tensor?] = parameters.map(\.handle)
    let status = ct_recomputed(
        given, given.count, leaves, leaves.count,
        { context, inputs, count in
            guard let context, let inputs else { return nil }
            return Unmanaged<RecomputedBody>.fromOpaque(context).takeUnretainedValue()
                .run(UnsafeBufferPointer(start: inputs, count: count))
        },
        { context in if let context { Unmanaged<RecomputedBody>.fromOpaque(context).release() } }, context, &out)
    withExtendedLifetime((inputs, parameters)) {}
    check(status, "recomputed")
    return out.map(Tensor.init(owning:)) ?? .afterFailure
}

/// What the C layer calls back.
private final class RecomputedBody {
    private let body: ([Tensor]) -> Tensor
    /// Where failures go: the gradient may be computed on a thread of libtorch's.
    private let errors = ErrorScope.current

    init(_ body: @escaping ([Tensor]) -> Tensor) { self.body = body }

    /// - Returns: a tensor that the caller owns.
    func run(_ inputs: UnsafeBufferPointer<ct_tensor?>) -> ct_tensor? {
        let tensors = inputs.compactMap { handle -> Tensor? in
            guard let handle else { return nil }
            ct_tensor_retain(handle)
            return Tensor(owning: handle)
        }
        let result = ErrorScope.$current.withValue(errors) { body(tensors) }
        ct_tensor_retain(result.handle)
        return result.handle
    }
}
