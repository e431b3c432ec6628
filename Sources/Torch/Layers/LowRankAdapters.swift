/// Low-rank adapters (LoRA, Hu et al. 2021) of linear layers: beside a layer's frozen weights W, y becomes
/// x Wᵀ + b + (α/r) · x Aᵀ Bᵀ with small matrices A [r, in] and B [out, r] that are trained.
///
/// They work while they are a store's ``ParameterStore/adapters``:
///
///     unet.store.adapters = LowRankAdapters(of: unet.store, layers: ["to_q", "to_v"], rank: 8, alpha: 8, seed: 0)
public final class LowRankAdapters {
    /// The adapter of one layer.
    public struct Layer {
        /// The layer's name: its weights' key without `.weight`.
        public let name: String
        /// The matrix A, [r, in], through which inputs go first.
        public let down: Tensor
        /// The matrix B, [out, r], which brings them to the layer's width.
        public let up: Tensor
        let scale: Double

        /// What the adapter adds to the layer's output for `x` [..., in], computed in x's type.
        func callAsFunction(_ x: Tensor) -> Tensor {
            x.linear(down.to(dtype: x.dtype), nil).linear(up.to(dtype: x.dtype), nil) * scale
        }
    }

    /// r, the width between A and B.
    public let rank: Int
    /// α: the adapters' output is multiplied by α/r.
    public let alpha: Double
    /// The ends of the adapted layers' names, as they were asked for.
    public let targets: [String]
    /// The adapted layers in the order of the model's parameters.
    public let layers: [Layer]
    /// A and B of all layers under peft's keys, `NAME.lora_A.weight` and `NAME.lora_B.weight`, in float32.
    public let store: ParameterStore
    private let index: [String: Int]

    /// New adapters, which change nothing yet: A is drawn from N(0, 1/r²), as diffusers' training scripts do, and B is 0.
    /// - Parameters:
    ///   - model: the store of the built model; not changed.
    ///   - targets: the ends of the names of the layers to adapt, whole parts of them (`to_out.0`).
    public init(of model: ParameterStore, layers targets: [String], rank: Int, alpha: Double, seed: UInt64) {
        precondition(rank > 0, "a rank of \(rank) is not above 0")
        self.rank = rank
        self.alpha = alpha
        self.targets = targets
        let store = ParameterStore(seed: seed, device: model.device)
        layers = model.entries.compactMap { entry in
            guard entry.tensor.rank == 2, entry.name.hasSuffix(".weight") else { return nil }
            let name = String(entry.name.dropLast(".weight".count))
            guard targets.contains(where: { name == $0 || name.hasSuffix("." + $0) }) else { return nil }
            let scope = Scope(store: store, path: name)
            return Layer(
                name: name,
                down: (scope / "lora_A").parameter(
                    "weight", [rank, entry.tensor.size(1)], .normal(deviation: 1 / Double(rank))),
                up: (scope / "lora_B").parameter("weight", [entry.tensor.size(0), rank], .zeros),
                scale: alpha / Double(rank))
        }
        self.store = store
        index = Dictionary(uniqueKeysWithValues: layers.enumerated().map { ($1.name, $0) })
    }

    subscript(name: String) -> Layer? { index[name].map { layers[$0] } }
}
