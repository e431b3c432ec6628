import CTorch

/// A random number generator of its own, with a state that can be saved (PyTorch's `torch.Generator`).
public final class Generator: @unchecked Sendable {  // used by one thread at a time
    let handle: ct_generator
    /// Where the random numbers are drawn and tensors of them lie.
    public let device: Device

    /// The same seed gives the same numbers as `torch.Generator(device).manual_seed(seed)`.
    public init(seed: UInt64, device: Device = .cpu) {
        var out: ct_generator?
        let status = ct_generator_create(device.code, seed, &out)
        if status.code != 0 || out == nil {
            check(status, "generator on \(device)")
            _ = ct_generator_create(Device.cpu.code, seed, &out)
        }
        guard let out else { fatalError("out of memory") }
        handle = out
        self.device = device
    }

    deinit {
        ct_generator_release(handle)
    }

    /// The whole state, a uint8 tensor: what a checkpoint keeps.
    public var state: Tensor {
        get {
            var out: ct_tensor?
            check(ct_generator_state(handle, &out), "generator state")
            return out.map(Tensor.init(owning:)) ?? .afterFailure
        }
        set { check(ct_generator_set_state(handle, newValue.handle), "generator state") }
    }
}
