import CTorch

/// Runs `body` without recording operations for the gradient.
public func noGrad<Result>(_ body: () throws -> Result) rethrows -> Result {
    let before = ct_grad_mode()
    ct_set_grad_mode(false)
    defer { ct_set_grad_mode(before) }
    return try body()
}

/// Runs `body` with recording on, inside ``noGrad(_:)`` too.
public func withGrad<Result>(_ body: () throws -> Result) rethrows -> Result {
    let before = ct_grad_mode()
    ct_set_grad_mode(true)
    defer { ct_set_grad_mode(before) }
    return try body()
}

/// Runs `body` in libtorch's inference mode: faster than ``noGrad(_:)``; its results can never enter a graph.
public func inferenceMode<Result>(_ body: () throws -> Result) rethrows -> Result {
    let guardian = ct_inference_mode_enter(true)
    defer { ct_inference_mode_leave(guardian) }
    return try body()
}

/// Runs `body` outside inference mode and without recording: its results can enter a graph later, wherever the caller
/// is. For tensors that are kept.
public func ordinaryMode<Result>(_ body: () throws -> Result) rethrows -> Result {
    let guardian = ct_inference_mode_enter(false)
    defer { ct_inference_mode_leave(guardian) }
    return try noGrad(body)
}

/// Runs `body` under autocast: matrix products and convolutions in `dtype`, reductions in float32. Nests; without a type
/// `body` runs as it would alone.
public func autocast<Result>(_ device: Device, dtype: DType?, _ body: () throws -> Result) rethrows -> Result {
    guard let dtype else { return try body() }
    var before: UnsafeMutableRawPointer?
    check(ct_autocast_enter(device.code, dtype.rawValue, &before), "autocast")
    defer { if let before { ct_autocast_leave(before) } }
    return try body()
}

extension Tensor {
    /// Accumulates the gradient of this tensor into the ``grad`` of every leaf that requires it, as PyTorch's
    /// `backward`.
    /// - Parameters:
    ///   - gradient: what the gradient starts from, of this tensor's shape; 1 by default, for a loss of one element.
    ///   - retainGraph: keeps the graph, so that a second call is possible.
    public func backward(gradient: Tensor? = nil, retainGraph: Bool = false) {
        check(ct_backward(handle, gradient?.handle, retainGraph), "backward")
    }
}

/// Gradients of `outputs` (weighted by `weights`, ones by default) with respect to `inputs`; nil for one not used.
/// - Parameters:
///   - retainGraph: keeps what a further pass through the graph needs.
///   - createGraph: records the gradients' own graph, for gradients of gradients; the graph is then kept, too.
public func gradients(
    of outputs: [Tensor], weights: [Tensor]? = nil, with inputs: [Tensor], retainGraph: Bool = false,
    createGraph: Bool = false
) -> [Tensor?] {
    let retainGraph = retainGraph || createGraph
    var out = [ct_tensor?](repeating: nil, count: inputs.count)
    let roots: [ct_tensor?] = outputs.map(\.handle)
    let seeds: [ct_tensor?]? = weights?.map(\.handle)
    let leaves: [ct_tensor?] = inputs.map(\.handle)
    let status =
        seeds.map {
            ct_grad(roots, roots.count, $0, leaves, leaves.count, retainGraph, createGraph, &out)
        } ?? ct_grad(roots, roots.count, nil, leaves, leaves.count, retainGraph, createGraph, &out)
    withExtendedLifetime((outputs, weights, inputs)) {}
    check(status, "grad")
    return out.map { $0.map(Tensor.init(owning:)) }
}
