import Foundations

/// Named tensors of a checkpoint, in their file's order.
public struct StateDict: Sendable {
    /// The tensors' keys in their file's order.
    public private(set) var names: [String] = []
    private var tensors: [String: Tensor] = [:]

    /// A state dict without tensors.
    public init() {}

    /// The tensor under a key; nil where there is none. Setting nil removes it, a new key goes last.
    public subscript(name: String) -> Tensor? {
        get { tensors[name] }
        set {
            if tensors[name] == nil, newValue != nil { names.append(name) }
            if newValue == nil { names.removeAll { $0 == name } }
            tensors[name] = newValue
        }
    }

    /// Whether there is no tensor in it.
    public var isEmpty: Bool { names.isEmpty }

    /// The same tensors under other names; nil drops one.
    public func renamed(_ rename: (String) -> String?) -> StateDict {
        var result = StateDict()
        for name in names {
            if let new = rename(name) { result[new] = tensors[name] }
        }
        return result
    }
}

/// The parameters and buffers of a model under their state-dict keys: freshly initialised, or those of a checkpoint.
///
///     let store = ParameterStore(seed: 0)
///     let head = Linear(store.root / "fc", in: 512, out: 10)      // keys fc.weight and fc.bias
public final class ParameterStore: @unchecked Sendable {  // built and trained by one thread at a time
    /// One tensor of a model, and what it is for.
    public struct Entry: Sendable {
        /// The state-dict key, such as `layer1.0.conv1.weight`.
        public let name: String
        /// The tensor that the layers hold, too.
        public let tensor: Tensor
        /// Whether an optimiser trains it; a buffer (batch-norm statistics) is not.
        public let isParameter: Bool
    }

    /// All parameters and buffers in the order in which the model was built.
    public private(set) var entries: [Entry] = []
    /// Where parameters are created.
    public let device: Device
    /// The floating-point type of the parameters.
    public let dtype: DType
    /// Whether batch-norm and dropout behave as in training.
    public var isTraining = false
    /// Adapters of linear layers, which join in while they are set.
    public var adapters: LowRankAdapters?
    /// Whether models that can (backbones, U-Net, text encoder) keep only their layers' inputs for the gradient and compute
    /// the rest again: ``recomputed(_:parameters:_:)``.
    public var recomputesLayers = false
    /// Whether a layer is computed again for its gradient: batch norm has counted this batch already.
    private(set) var isRecomputing = false
    /// Images in the batches to come whose batch norm in training is by their own statistics.
    public var batchNormGuests: BatchNormGuests?
    /// Processes over whose images together batch norm takes its statistics in training; nil for this one's alone.
    public var batchNormGroup: ProcessGroup?
    /// Whether linear layers and convolutions keep their weights in the order of the CPU's kernels, beside the weights
    /// themselves, for calls without gradients. For frozen models: changes in place by an operator are seen, but not those by
    /// a fused optimiser, which does not count them.
    public var packsWeights = false
    /// Whether every batch has the same weight in batch norm's running statistics, as with PyTorch's `momentum=None`.
    private(set) var averagesBatchNorm = false

    private let generator: Generator
    private let checkpoint: StateDict?
    private let checkpointName: String
    private var mismatches: [String] = []
    private var isVerified = false
    private var index: [String: Int] = [:]

    /// A store that draws fresh parameters.
    /// - Parameters:
    ///   - seed: of the draws, which come in the order in which the model is built.
    ///   - device: where parameters are made; they are drawn on the CPU, so that the numbers are the same.
    ///   - dtype: the floating-point type of the parameters.
    public init(seed: UInt64, device: Device = .cpu, dtype: DType = .float32) {
        generator = Generator(seed: seed)
        checkpoint = nil
        checkpointName = ""
        self.device = device
        self.dtype = dtype
    }

    /// A store whose tensors come from a checkpoint. Call ``verify(ignoring:)`` once the model is built.
    /// - Parameter name: what errors call the checkpoint, its path.
    public init(_ checkpoint: StateDict, name: String, device: Device = .cpu, dtype: DType = .float32) {
        generator = Generator(seed: 0)
        self.checkpoint = checkpoint
        checkpointName = name
        self.device = device
        self.dtype = dtype
    }

    /// The place of names without a prefix, where building a model begins.
    public var root: Scope { Scope(store: self, path: "") }

    /// The trainable tensors in the order in which they were made.
    public var parameters: [Tensor] { entries.filter(\.isParameter).map(\.tensor) }

    /// Number of trainable scalars, such as 25.6 million of a ResNet-50.
    public var parameterCount: Int { entries.filter(\.isParameter).reduce(0) { $0 + $1.tensor.count } }

    /// The parameter or buffer under a key; nil where there is none.
    public subscript(name: String) -> Tensor? { index[name].map { entries[$0].tensor } }

    /// All tensors by name, sharing memory with this store.
    public var state: StateDict {
        var result = StateDict()
        for entry in entries { result[entry.name] = entry.tensor.detached() }
        return result
    }

    /// Runs `body`, after which batch norm's running statistics are the mean of those of the batches that were normalised in
    /// it with the store training; where there was none, they stay as they are.
    public func averagingBatchNorm(_ body: () throws -> Void) rethrows {
        noGrad { for entry in entries where entry.name.hasSuffix("num_batches_tracked") { entry.tensor.fill_(0) } }
        averagesBatchNorm = true
        defer { averagesBatchNorm = false }
        try body()
    }

    /// Runs a layer again for its gradient, as it ran when `isTraining` and the guests were these.
    fileprivate func recomputing(isTraining: Bool, _ guests: BatchNormGuests?, _ body: () -> Tensor) -> Tensor {
        let before = (self.isTraining, batchNormGuests, isRecomputing)
        (self.isTraining, batchNormGuests, isRecomputing) = (isTraining, guests, true)
        defer { (self.isTraining, batchNormGuests, isRecomputing) = before }
        return body()
    }

    /// Turns the recording of gradients on or off for all parameters.
    public func setRequiresGrad(_ on: Bool) {
        for entry in entries where entry.isParameter { entry.tensor.requiresGrad = on }
    }

    /// Lays convolution weights out channels-last, which libtorch's CPU and CUDA convolutions prefer; feed such models
    /// channels-last images.
    public func useChannelsLast() {
        noGrad {
            for entry in entries where entry.tensor.rank == 4 {
                entry.tensor.setData(entry.tensor.contiguous(.channelsLast))
            }
        }
    }

    /// Gives a parameter another shape and other values; layers that hold it see them. Recording of gradients stays as it
    /// is.
    public func replace(_ name: String, with values: Tensor) {
        precondition(index[name] != nil, "no parameter is called \(name)")
        guard let old = self[name] else { return }
        noGrad { old.setData(values.detached().to(device: old.device, dtype: old.dtype).cloned()) }
    }

    func make(_ name: String, _ shape: [Int], isParameter: Bool, dtype: DType?, initialise: (Tensor, Generator) -> Void)
        -> Tensor
    {
        precondition(index[name] == nil, "two parameters are called \(name)")
        let type = dtype ?? self.dtype
        let tensor: Tensor
        if let checkpoint {
            let found = checkpoint[name]
            if let found, Self.mismatch(found, shape, type) == nil {
                tensor = found.to(device: device, dtype: type)
                if device != .cpu || type != found.dtype { found.releasePages() }  // a copy has been made
            } else {
                mismatches.append("\(name): " + (found.flatMap { Self.mismatch($0, shape, type) } ?? "missing"))
                // One zero seen from everywhere: whatever sizes a damaged file asks for, no memory is taken.
                tensor = Tensor.zeros([], dtype: type, device: device).expanded(shape)
            }
        } else {
            let made = Tensor.empty(shape, dtype: type)
            noGrad { initialise(made, generator) }
            tensor = made.to(device: device)
        }
        index[name] = entries.count
        entries.append(Entry(name: name, tensor: tensor, isParameter: isParameter))
        return tensor
    }

    /// Why a stored tensor cannot serve as one of this shape and type, or nil if it can.
    private static func mismatch(_ found: Tensor, _ shape: [Int], _ dtype: DType) -> String? {
        if found.shape != shape { return "shape \(found.shape), wanted \(shape)" }
        if dtype.isFloatingPoint, !found.dtype.isFloatingPoint { return "\(found.dtype) numbers, wanted \(dtype)" }
        return nil
    }

    /// What a model does when it is first used: looks at every number of its checkpoint. Not when it is loaded, since it may
    /// never be used, where the results of the diffusion model are stored; then its file is not read.
    ///
    /// An infinity or NaN is a failure as an operator's (``withTorchErrors(_:)``); it names the file and the first tensor.
    public func verifyBeforeUse() {
        guard checkpoint != nil, !isVerified else { return }
        isVerified = true
        if let damaged = firstInfinite {
            fail(TorchError("\(checkpointName): \(damaged) holds infinite values or NaN; fetch the file again"))
        }
    }

    /// The name of the first tensor with an infinity or NaN in it.
    public var firstInfinite: String? {
        noGrad {
            entries.first { entry in
                defer { entry.tensor.releasePages() }
                // The sum of a tensor is finite where all its elements are; it overflows only if they are absurdly large.
                return entry.tensor.dtype.isFloatingPoint && !entry.tensor.sum(dtype: .float32).item().isFinite
                    && entry.tensor.isFinite().all().item() == 0
            }?.name
        }
    }

    /// Compares the model, once it is built, with its checkpoint.
    /// - Parameter ignored: keys that may be missing or left over.
    /// - Throws: `UserError` that names the missing, wrong-shaped and unexpected keys at once (up to twelve, and how
    ///   many more).
    public func verify(ignoring ignored: (String) -> Bool = { _ in false }) throws {
        guard let checkpoint else { return }
        let missing = mismatches.filter { !ignored(String($0.prefix { $0 != ":" })) }
        let unexpected = checkpoint.names.filter { index[$0] == nil && !ignored($0) }.map { "\($0): unexpected" }
        try report(missing + unexpected, name: checkpointName)
    }

    /// Copies values into this store's tensors, converting their type.
    /// - Parameters:
    ///   - name: what errors call the state, its path.
    ///   - ignored: keys that are neither needed nor copied.
    /// - Throws: `UserError` that names all missing, wrong-shaped and unexpected keys; then nothing was copied.
    public func load(_ state: StateDict, name: String, ignoring ignored: (String) -> Bool = { _ in false }) throws {
        var problems: [String] = []
        for entry in entries where !ignored(entry.name) {
            guard let found = state[entry.name] else {
                problems.append("\(entry.name): missing")
                continue
            }
            if let problem = Self.mismatch(found, entry.tensor.shape, entry.tensor.dtype) {
                problems.append("\(entry.name): \(problem)")
            }
        }
        problems += state.names.filter { index[$0] == nil && !ignored($0) }.map { "\($0): unexpected" }
        try report(problems, name: name)
        noGrad {
            for entry in entries {
                if !ignored(entry.name), let found = state[entry.name] { entry.tensor.detached().copy_(found) }
            }
        }
    }

    private func report(_ problems: [String], name: String) throws {
        guard !problems.isEmpty else { return }
        let shown = problems.prefix(12).joined(separator: "; ")
        let rest = problems.count > 12 ? "; and \(problems.count - 12) more" : ""
        throw UserError("\(name) does not fit the model (\(problems.count) keys): \(shown)\(rest)")
    }
}

/// A place in the tree of names: `scope / "to_out" / 0`.
public struct Scope {
    /// The store that tensors made here belong to.
    public let store: ParameterStore
    /// The prefix of the keys that are made here, such as `layer1.0`; empty at the root.
    public let path: String

    /// The place called `name` below this one: `scope / "conv1"`.
    public static func / (scope: Scope, name: String) -> Scope {
        Scope(store: scope.store, path: scope.path.isEmpty ? name : scope.path + "." + name)
    }
    /// The numbered place below this one: `scope / 0` is called `PATH.0`, as in PyTorch's `ModuleList`.
    public static func / (scope: Scope, index: Int) -> Scope { scope / String(index) }

    /// Makes or loads a trainable tensor called `path.name`.
    public func parameter(_ name: String, _ shape: [Int], _ initialiser: Initialiser) -> Tensor {
        store.make((self / name).path, shape, isParameter: true, dtype: nil, initialise: initialiser.fill)
    }

    /// The tensors at this place and below, and those of adapters of layers there.
    public var parameters: [Tensor] {
        func inside(_ store: ParameterStore) -> [Tensor] {
            store.entries.filter { $0.isParameter && (path.isEmpty || $0.name.hasPrefix(path + ".")) }.map(\.tensor)
        }
        return inside(store) + (store.adapters.map { inside($0.store) } ?? [])
    }

    /// Runs a layer whose parameters are at this place, computing it again for the gradient where its store says so.
    public func layer(_ inputs: Tensor..., body: @escaping ([Tensor]) -> Tensor) -> Tensor {
        guard store.recomputesLayers else { return body(inputs) }
        let (isTraining, guests) = (store.isTraining, store.batchNormGuests)
        var hasRun = false
        return recomputed(inputs, parameters: parameters.filter(\.requiresGrad)) { [store] inputs in
            defer { hasRun = true }
            return hasRun ? store.recomputing(isTraining: isTraining, guests) { body(inputs) } : body(inputs)
        }
    }

    /// A tensor that is saved but not trained.
    public func buffer(_ name: String, _ shape: [Int], _ initialiser: Initialiser, dtype: DType? = nil) -> Tensor {
        store.make((self / name).path, shape, isParameter: false, dtype: dtype, initialise: initialiser.fill)
    }
}

/// How a new parameter is filled.
public enum Initialiser: Sendable {
    /// Every element is this number.
    case constant(Double)
    /// Drawn from N(0, deviation²).
    case normal(deviation: Double)
    /// Drawn uniformly from [−bound, bound).
    case uniform(bound: Double)

    /// Every element is 0, as biases of norms are.
    public static let zeros = Initialiser.constant(0)
    /// Every element is 1, as weights of norms are.
    public static let ones = Initialiser.constant(1)

    /// PyTorch's default for linear and convolutional layers (weight and bias): U(−1/√fanIn, 1/√fanIn).
    public static func fanIn(_ fanIn: Int) -> Initialiser { .uniform(bound: 1 / Double(max(1, fanIn)).squareRoot()) }

    func fill(_ tensor: Tensor, _ generator: Generator) {
        switch self {
        case .constant(let value): tensor.fill_(value)
        case .normal(let deviation): tensor.normal_(mean: 0, deviation: deviation, generator: generator)
        case .uniform(let bound): tensor.uniform_(from: -bound, to: bound, generator: generator)
        }
    }
}
