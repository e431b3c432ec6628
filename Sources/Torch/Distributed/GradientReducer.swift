import CTorch

/// Has the gradients of parameters be their mean over the processes of a group: in buckets, sent while the backward pass
/// works on the layers before (c10d's Reducer, as PyTorch's DistributedDataParallel has it).
public final class GradientReducer {
    private let reducer: ct_reducer?
    /// The processes.
    public let group: ProcessGroup

    /// Reduces the gradients of leaves, each of which has to get one in every backward pass that is prepared.
    public init(_ parameters: [Tensor], over group: ProcessGroup) {
        self.group = group
        var made: ct_reducer?
        parameters.map { Optional($0.handle) }.withUnsafeBufferPointer {
            check(ct_reducer_create(group.handle, $0.baseAddress, $0.count, &made), "sharing gradients")
        }
        reducer = made
    }

    deinit { ct_reducer_release(reducer) }

    /// To be called between a forward pass and its backward.
    public func prepare() {
        guard let reducer else { return }
        check(ct_reducer_prepare(reducer), "sharing gradients")
    }
}
