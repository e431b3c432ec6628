import CTorch

/// Has the gradients of parameters be their mean over the processes of a group: in buckets, sent while the backward pass
/// works on the layers before (c10d's Reducer, as PyTorch's DistributedDataParallel has it).
public final class GradientReducer {
    private let reducer: ct_reducer?
    /// The processes whose gradients are averaged.
    public let group: ProcessGroup

    /// Reduces the gradients of leaves, each of which has to get one in every backward pass that is prepared.
    public init(_ parameters: [Tensor], over group: ProcessGroup) {
        self.group = group
        var made: ct_reducer?
        _ = parameters.map { Optional($0.handle) }.withUnsafeBufferPointer {
            check(ct_reducer_create(group.handle, $0.baseAddress, $0.count, &made), "sharing gradients")
        }
        reducer = made
        // c10d orders its buckets anew by the first pass, and more than two processes round by that order. A pass that is always
        // the same, last parameters first, has a run that goes on round as one that never stopped.
        guard let first = parameters.first else { return }
        let none = parameters.dropFirst().reduce((0 * first).sum()) { $0 + (0 * $1).sum() }
        prepare()
        none.backward()
        for parameter in parameters { parameter.grad = nil }
    }

    deinit { ct_reducer_release(reducer) }

    /// To be called between a forward pass and its backward.
    public func prepare() {
        guard let reducer else { return }
        check(ct_reducer_prepare(reducer), "sharing gradients")
    }
}
