import Torch

/// The tensors of a store as they were, for methods that step and go back.
public struct ParameterSnapshot {
    private let store: ParameterStore
    /// Copies of all parameters and buffers, in the store's order.
    private let values: [Tensor]

    /// Copies all that is in the store.
    public init(_ store: ParameterStore) {
        self.store = store
        values = noGrad { store.entries.map { $0.tensor.detached().cloned() } }
    }

    /// Puts the parameters back; buffers stay as they are.
    public func restoreParameters() {
        noGrad {
            for (entry, value) in zip(store.entries, values) where entry.isParameter {
                entry.tensor.detached().copy_(value)
            }
        }
    }

    /// Moves parameters and floating-point buffers to `old + share · (new − old)`.
    public func move(_ share: Double) {
        noGrad {
            for (entry, value) in zip(store.entries, values) where entry.tensor.dtype != .int64 {
                let current = entry.tensor.detached()
                current.copy_(value + share * (current - value))
            }
        }
    }
}
