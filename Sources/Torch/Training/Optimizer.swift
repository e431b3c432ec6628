import CTorch
import Foundations

private enum Op {
    static let fusedAdam = Operator("aten::_fused_adam_")
    static let fusedAdamW = Operator("aten::_fused_adamw_")
    static let fusedSGD = Operator("aten::_fused_sgd_")
    static let addSteps = Operator("aten::_foreach_add_", "Scalar")
    static let scale = Operator("aten::_foreach_mul_", "Tensor")
    static let lerp = Operator("aten::_foreach_lerp_", "Scalar")
}

/// The rule by which an ``Optimizer`` changes parameters, with PyTorch's defaults.
public enum OptimizerRule: Sendable, Equatable {
    /// Adam (Kingma & Ba 2015); weight decay is added to the gradient.
    case adam(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8)
    /// AdamW (Loshchilov & Hutter 2019); weight decay is decoupled.
    case adamW(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8)
    /// Stochastic gradient descent, with momentum and Nesterov's form of it where asked for; weight decay is added to
    /// the gradient.
    case sgd(momentum: Double = 0, nesterov: Bool = false)
}

/// Parameters that share a learning rate and a weight decay.
public struct ParameterGroup {
    /// Trainable leaves; one that holds no gradient is left alone in a step.
    public let parameters: [Tensor]
    /// Factor on the optimiser's learning rate.
    public var rateScale: Double
    /// Weight decay, or nil for the optimiser's.
    public var weightDecay: Double?

    /// Parameters with what differs from the optimiser's own settings.
    public init(_ parameters: [Tensor], rateScale: Double = 1, weightDecay: Double? = nil) {
        self.parameters = parameters
        self.rateScale = rateScale
        self.weightDecay = weightDecay
    }
}

/// Adam, AdamW or SGD over libtorch's fused kernels; the same numbers as `torch.optim`.
public final class Optimizer {
    /// The rule by which a step changes the parameters.
    public let rule: OptimizerRule
    /// The rate of the next step; schedules set it (``LearningRateSchedule``).
    public var learningRate: Double
    /// Weight decay of the groups that name none.
    public let weightDecay: Double
    /// The parameters, in the order in which ``state`` numbers them.
    public let groups: [ParameterGroup]
    private var slots: [[Slot]]

    /// What the rule remembers of one parameter.
    private struct Slot {
        var first: Tensor
        var second: Tensor
        var step: Tensor
    }

    /// An optimiser of several groups, with a fresh state.
    /// - Parameters:
    ///   - groups: trainable leaves. Parameters without a gradient are left alone in a step.
    ///   - learningRate: the rate of groups whose scale is 1.
    ///   - weightDecay: the decay of groups that name none.
    public init(_ rule: OptimizerRule, groups: [ParameterGroup], learningRate: Double, weightDecay: Double = 0) {
        self.rule = rule
        self.learningRate = learningRate
        self.weightDecay = weightDecay
        self.groups = groups
        let isSGD = if case .sgd = rule { true } else { false }
        slots = groups.map { group in
            group.parameters.map { parameter in
                let state = parameter.detached()
                let empty = Tensor.zeros([0])
                return Slot(
                    first: isSGD && !rule.hasMomentum ? empty : state.zerosLike(),
                    second: isSGD ? empty : state.zerosLike(), step: .zeros([], device: parameter.device))
            }
        }
    }

    /// An optimiser of one group of parameters, with a fresh state.
    public convenience init(
        _ rule: OptimizerRule, _ parameters: [Tensor], learningRate: Double, weightDecay: Double = 0
    ) {
        self.init(rule, groups: [ParameterGroup(parameters)], learningRate: learningRate, weightDecay: weightDecay)
    }

    /// The parameters of all groups, in order.
    public var parameters: [Tensor] { groups.flatMap(\.parameters) }

    /// Forgets the gradients of all parameters, whose ``Tensor/grad`` is then nil.
    public func zeroGrad() {
        for group in groups {
            for parameter in group.parameters { parameter.grad = nil }
        }
    }

    /// One step along the gradients that the parameters hold.
    public func step() {
        noGrad {
            for (group, slots) in zip(groups, slots) { step(group, slots) }
        }
    }

    private func step(_ group: ParameterGroup, _ slots: [Slot]) {
        var leaves: [Tensor] = []
        var grads: [Tensor] = []
        var used: [Slot] = []
        for (parameter, slot) in zip(group.parameters, slots) {
            guard let grad = parameter.grad else { continue }
            leaves.append(parameter)
            grads.append(grad.inLayout(of: parameter))
            used.append(slot)
        }
        guard !leaves.isEmpty else { return }
        let rate = learningRate * group.rateScale
        let decay = group.weightDecay ?? weightDecay
        Op.addSteps.run(.tensors(used.map(\.step)), .double(1))
        switch rule {
        case .adam(let beta1, let beta2, let epsilon), .adamW(let beta1, let beta2, let epsilon):
            let fused = if case .adam = rule { Op.fusedAdam } else { Op.fusedAdamW }
            fused.run(
                .tensors(leaves), .tensors(grads), .tensors(used.map(\.first)), .tensors(used.map(\.second)),
                .tensors([]), .tensors(used.map(\.step)), .double(rate), .double(beta1), .double(beta2),
                .double(decay), .double(epsilon), .bool(false), .bool(false))
        case .sgd(let momentum, let nesterov):
            // The momentum begins at 0, so that a first step is no special one.
            Op.fusedSGD.run(
                .tensors(leaves), .tensors(grads), .tensors(momentum > 0 ? used.map(\.first) : []), .double(decay),
                .double(momentum), .double(rate), .double(0), .bool(nesterov), .bool(false), .bool(false))
        }
        // The fused kernels do not say that they changed the parameters.
        for leaf in leaves { ct_tensor_bump_version(leaf.handle) }
    }

    /// Forgets everything but the parameters: the next step is a first one.
    public func reset() {
        forEachSlot { _, slot in
            for tensor in [slot.first, slot.second, slot.step] { tensor.zero_() }
        }
    }

    /// Everything a step depends on, for a checkpoint: `GROUP.INDEX.{first,second,step}`.
    public var state: StateDict {
        var result = StateDict()
        forEachSlot { prefix, slot in
            result[prefix + "first"] = slot.first
            result[prefix + "second"] = slot.second
            result[prefix + "step"] = slot.step
        }
        return result
    }

    /// Takes up a saved state.
    /// - Parameter name: what errors call the state, its path.
    /// - Throws: `UserError` when it belongs to other parameters; then nothing was changed.
    public func load(_ state: StateDict, name: String) throws {
        var pairs: [(Tensor, Tensor)] = []
        var problem: String?
        forEachSlot { prefix, slot in
            for (key, target) in [("first", slot.first), ("second", slot.second), ("step", slot.step)] {
                guard let value = state[prefix + key], value.shape == target.shape else {
                    problem = problem ?? prefix + key
                    continue
                }
                pairs.append((target, value))
            }
        }
        if let problem {
            throw UserError("\(name) is not the state of this optimiser: \(problem) is missing or differs")
        }
        noGrad {
            for (target, value) in pairs { target.copy_(value) }
        }
    }

    private func forEachSlot(_ body: (String, Slot) -> Void) {
        for (group, members) in slots.enumerated() {
            for (index, slot) in members.enumerated() { body("\(group).\(index).", slot) }
        }
    }
}

extension Tensor {
    /// This tensor with its elements where another of the same shape has them: the fused kernels walk through memory.
    fileprivate func inLayout(of other: Tensor) -> Tensor {
        guard !ct_tensor_same_strides(handle, other.handle) else { return self }
        let made = other.detached().zerosLike()
        made.copy_(self)
        return made
    }
}

extension OptimizerRule {
    fileprivate var hasMomentum: Bool { if case .sgd(let momentum, _) = self { momentum > 0 } else { false } }
}

/// The common Euclidean norm of the gradients that the parameters hold; a scalar tensor.
public func gradientNorm(_ parameters: [Tensor]) -> Tensor {
    let grads = parameters.compactMap(\.grad)
    guard !grads.isEmpty else { return .zeros([]) }
    return noGrad { Tensor.stacked(Tensor.norms(grads)).norm() }
}

/// Scales the gradients so that their common norm is at most `maximum`, as `torch.nn.utils.clip_grad_norm_`.
/// - Returns: the norm before; a scalar tensor.
@discardableResult
public func clipGradients(_ parameters: [Tensor], maximum: Double) -> Tensor {
    let grads = parameters.compactMap(\.grad)
    let norm = gradientNorm(parameters)
    guard !grads.isEmpty else { return norm }
    return noGrad {
        Op.scale.run(.tensors(grads), .tensor((maximum / (norm + 1e-6)).clamp(max: 1)))
        return norm
    }
}

/// An exponential moving average of parameters (diffusers' `EMAModel`).
public final class ParameterAverage {
    /// The most that an average keeps of itself in an update, 0…1.
    public let decay: Double
    /// The averaged values, in the parameters' order.
    public let averages: [Tensor]
    private let parameters: [Tensor]

    /// Averages that begin at the parameters' present values.
    public init(_ parameters: [Tensor], decay: Double) {
        self.decay = decay
        self.parameters = parameters.map { $0.detached() }
        averages = self.parameters.map { $0.cloned() }
    }

    /// `average += (1 − decay) · (parameter − average)`.
    /// - Parameter step: number of updates before, for a warm-up in which the decay is at most `(1 + step) / (10 + step)`
    ///   (TensorFlow's `ExponentialMovingAverage`, diffusers' `EMAModel`); nil for none.
    public func update(step: Int? = nil) {
        let decay = step.map { min(self.decay, Double(1 + $0) / Double(10 + $0)) } ?? self.decay
        noGrad { Op.lerp.run(.tensors(averages), .tensors(parameters), .double(1 - decay)) }
    }

    /// Runs `body` with the averages in the place of the parameters.
    public func whileSwapped<Result>(_ body: () throws -> Result) rethrows -> Result {
        let kept = noGrad { parameters.map { $0.cloned() } }
        noGrad { for (parameter, average) in zip(parameters, averages) { parameter.copy_(average) } }
        defer { noGrad { for (parameter, value) in zip(parameters, kept) { parameter.copy_(value) } } }
        return try body()
    }
}
