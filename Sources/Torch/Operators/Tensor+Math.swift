/// Operators resolved once, by ATen name.
private enum Op {
    static let add = Operator("aten::add", "Tensor")
    static let addScalar = Operator("aten::add", "Scalar")
    static let sub = Operator("aten::sub", "Tensor")
    static let subScalar = Operator("aten::sub", "Scalar")
    static let rsub = Operator("aten::rsub", "Scalar")
    static let mul = Operator("aten::mul", "Tensor")
    static let mulScalar = Operator("aten::mul", "Scalar")
    static let div = Operator("aten::div", "Tensor")
    static let divScalar = Operator("aten::div", "Scalar")
    static let reciprocal = Operator("aten::reciprocal")
    static let neg = Operator("aten::neg")
    static let exp = Operator("aten::exp")
    static let log = Operator("aten::log")
    static let sqrt = Operator("aten::sqrt")
    static let rsqrt = Operator("aten::rsqrt")
    static let abs = Operator("aten::abs")
    static let sin = Operator("aten::sin")
    static let cos = Operator("aten::cos")
    static let tanh = Operator("aten::tanh")
    static let sigmoid = Operator("aten::sigmoid")
    static let sign = Operator("aten::sign")
    static let round = Operator("aten::round")
    static let power = Operator("aten::pow", "Tensor_Scalar")
    static let clamp = Operator("aten::clamp")
    static let relu = Operator("aten::relu")
    static let relu6 = Operator("aten::relu6")
    static let reluInPlace = Operator("aten::relu_")
    static let relu6InPlace = Operator("aten::relu6_")
    static let silu = Operator("aten::silu")
    static let gelu = Operator("aten::gelu")
    static let softmax = Operator("aten::softmax", "int")
    static let logSoftmax = Operator("aten::log_softmax", "int")
    static let softplus = Operator("aten::softplus")
    static let matmul = Operator("aten::matmul")
    static let solve = Operator("aten::linalg_solve")
    static let minimum = Operator("aten::minimum")
    static let maximum = Operator("aten::maximum")
    static let eq = Operator("aten::eq", "Tensor")
    static let eqScalar = Operator("aten::eq", "Scalar")
    static let lt = Operator("aten::lt", "Scalar")
    static let gt = Operator("aten::gt", "Scalar")
    static let ge = Operator("aten::ge", "Scalar")
    static let le = Operator("aten::le", "Scalar")
    static let isFinite = Operator("aten::isfinite")
    static let lerp = Operator("aten::lerp", "Tensor")
    static let whereSelf = Operator("aten::where", "self")
    static let addInPlace = Operator("aten::add_", "Tensor")
    static let addScalarInPlace = Operator("aten::add_", "Scalar")
    static let mulInPlace = Operator("aten::mul_", "Scalar")
    static let copyInPlace = Operator("aten::copy_")
    static let zeroInPlace = Operator("aten::zero_")
    static let fillInPlace = Operator("aten::fill_", "Scalar")
    static let lerpInPlace = Operator("aten::lerp_", "Scalar")
}

extension Tensor {
    /// The sum, element by element; shapes are broadcast: [2, 3] + [3] → [2, 3].
    public static func + (a: Tensor, b: Tensor) -> Tensor { Op.add(.tensor(a), .tensor(b)) }
    /// Adds a number to every element: [2, 3] + 1 → [2, 3].
    public static func + (a: Tensor, b: Double) -> Tensor {
        a.like(b).map { a + $0 } ?? Op.addScalar(.tensor(a), .double(b))
    }
    /// Adds a number to every element: 1 + [2, 3] → [2, 3].
    public static func + (a: Double, b: Tensor) -> Tensor { b + a }
    /// The difference, element by element; shapes are broadcast: [2, 3] − [2, 1] → [2, 3].
    public static func - (a: Tensor, b: Tensor) -> Tensor { Op.sub(.tensor(a), .tensor(b)) }
    /// Subtracts a number from every element: [2, 3] − 1 → [2, 3].
    public static func - (a: Tensor, b: Double) -> Tensor {
        a.like(b).map { a - $0 } ?? Op.subScalar(.tensor(a), .double(b))
    }
    /// Subtracts every element from a number: 1 − [2, 3] → [2, 3].
    public static func - (a: Double, b: Tensor) -> Tensor {
        b.like(a).map { $0 - b } ?? Op.rsub(.tensor(b), .double(a))
    }
    /// The product, element by element; shapes are broadcast: [2, 3] * [3] → [2, 3]. For matrices see ``matmul(_:)``.
    public static func * (a: Tensor, b: Tensor) -> Tensor { Op.mul(.tensor(a), .tensor(b)) }
    /// Multiplies every element by a number: [2, 3] * 2 → [2, 3].
    public static func * (a: Tensor, b: Double) -> Tensor {
        a.like(b).map { a * $0 } ?? Op.mulScalar(.tensor(a), .double(b))
    }
    /// Multiplies every element by a number: 2 * [2, 3] → [2, 3].
    public static func * (a: Double, b: Tensor) -> Tensor { b * a }
    /// The quotient, element by element; shapes are broadcast: [2, 3] / [3] → [2, 3]. Whole numbers give float32.
    public static func / (a: Tensor, b: Tensor) -> Tensor { Op.div(.tensor(a), .tensor(b)) }
    /// Divides every element by a number: [2, 3] / 2 → [2, 3].
    public static func / (a: Tensor, b: Double) -> Tensor {
        a.like(b).map { a / $0 } ?? Op.divScalar(.tensor(a), .double(b))
    }
    /// Divides a number by every element: 1 / [2, 3] → [2, 3].
    public static func / (a: Double, b: Tensor) -> Tensor { Op.reciprocal(.tensor(b)) * a }
    /// Every element with the opposite sign: −[2, 3] → [2, 3].
    public static prefix func - (a: Tensor) -> Tensor { Op.neg(.tensor(a)) }

    /// A number in this tensor's type, which libtorch takes as it is; a plain number it converts on every use, by an
    /// operator that costs more than the sum. Nil where the operators for plain numbers decide the result's type, and
    /// on accelerators, where the cost is hidden.
    private func like(_ number: Double) -> Tensor? {
        guard device.kind == .cpu else { return nil }
        switch dtype {
        case .float32: return Tensor(Float(number))
        case .float64: return Tensor(number)
        default: return nil
        }
    }

    /// eˣ of every element: [2, 3] → [2, 3].
    public func exp() -> Tensor { Op.exp(.tensor(self)) }
    /// Natural logarithm of every element; −∞ for 0, NaN below: [2, 3] → [2, 3].
    public func log() -> Tensor { Op.log(.tensor(self)) }
    /// Square root of every element; NaN below 0: [2, 3] → [2, 3].
    public func sqrt() -> Tensor { Op.sqrt(.tensor(self)) }
    /// 1 / √x of every element; ∞ for 0: [2, 3] → [2, 3].
    public func rsqrt() -> Tensor { Op.rsqrt(.tensor(self)) }
    /// Absolute value of every element, magnitude of a complex one: [2, 3] → [2, 3].
    public func abs() -> Tensor { Op.abs(.tensor(self)) }
    /// Sine of every element, in radians: [2, 3] → [2, 3].
    public func sin() -> Tensor { Op.sin(.tensor(self)) }
    /// Cosine of every element, in radians: [2, 3] → [2, 3].
    public func cos() -> Tensor { Op.cos(.tensor(self)) }
    /// Hyperbolic tangent of every element, in −1…1: [2, 3] → [2, 3].
    public func tanh() -> Tensor { Op.tanh(.tensor(self)) }
    /// 1 / (1 + e⁻ˣ) of every element, in 0…1: [2, 3] → [2, 3].
    public func sigmoid() -> Tensor { Op.sigmoid(.tensor(self)) }
    /// −1, 0 or 1 for every element: [2, 3] → [2, 3].
    public func sign() -> Tensor { Op.sign(.tensor(self)) }
    /// The nearest whole number of every element; halves go to the even one: [2, 3] → [2, 3].
    public func rounded() -> Tensor { Op.round(.tensor(self)) }
    /// Every element to the power of a number: [2, 3] → [2, 3].
    public func pow(_ exponent: Double) -> Tensor { Op.power(.tensor(self), .double(exponent)) }
    /// x · x for every element: [2, 3] → [2, 3].
    public func squared() -> Tensor { self * self }
    /// Every element, at least `min` and at most `max` where they are given: [2, 3] → [2, 3].
    public func clamp(min: Double? = nil, max: Double? = nil) -> Tensor {
        Op.clamp(.tensor(self), min.map(Value.double) ?? .none, max.map(Value.double) ?? .none)
    }
    /// max(0, x) of every element: [2, 3] → [2, 3].
    public func relu() -> Tensor { Op.relu(.tensor(self)) }
    /// min(6, max(0, x)) of every element: [2, 3] → [2, 3].
    public func relu6() -> Tensor { Op.relu6(.tensor(self)) }
    /// x · sigmoid(x) of every element, also called swish: [2, 3] → [2, 3].
    public func silu() -> Tensor { Op.silu(.tensor(self)) }
    /// x · Φ(x) of every element, Φ the normal distribution: [2, 3] → [2, 3].
    /// - Parameter tanh: takes PyTorch's `approximate="tanh"`, off by up to 5e-4.
    public func gelu(tanh: Bool = false) -> Tensor { Op.gelu(.tensor(self), .string(tanh ? "tanh" : "none")) }
    /// x · sigmoid(1.702 x) of every element, the activation of OpenAI's CLIP: [2, 3] → [2, 3].
    public func quickGELU() -> Tensor { self * (self * 1.702).sigmoid() }
    /// log(1 + eˣ) of every element, above 0: [2, 3] → [2, 3].
    public func softplus() -> Tensor { Op.softplus(.tensor(self)) }
    /// eˣ divided by their sum along a dimension: probabilities, [8, 10].softmax(1) → [8, 10].
    public func softmax(_ dimension: Int) -> Tensor { Op.softmax(.tensor(self), .int(dimension)) }
    /// Logarithm of ``softmax(_:)``, computed stably: [8, 10].logSoftmax(1) → [8, 10].
    public func logSoftmax(_ dimension: Int) -> Tensor { Op.logSoftmax(.tensor(self), .int(dimension)) }
    /// Matrix product of the last two dimensions; those before are broadcast: [8, 2, 3].matmul([3, 4]) → [8, 2, 4].
    public func matmul(_ other: Tensor) -> Tensor { Op.matmul(.tensor(self), .tensor(other)) }

    /// The X of `self · X = right`, for an invertible square matrix: [3, 3].solving([3, 2]) → [3, 2]. A failure of libtorch
    /// where there is no inverse.
    public func solving(_ right: Tensor) -> Tensor { Op.solve(.tensor(self), .tensor(right), .bool(true)) }
    /// self + weight · (end − self), element by element; shapes are broadcast: [2, 3] with a weight [1] → [2, 3].
    public func lerp(to end: Tensor, weight: Tensor) -> Tensor { Op.lerp(.tensor(self), .tensor(end), .tensor(weight)) }

    /// The smaller of two elements each; shapes are broadcast: [2, 3] and [3] → [2, 3].
    public static func minimum(_ a: Tensor, _ b: Tensor) -> Tensor { Op.minimum(.tensor(a), .tensor(b)) }
    /// The larger of two elements each; shapes are broadcast: [2, 3] and [3] → [2, 3].
    public static func maximum(_ a: Tensor, _ b: Tensor) -> Tensor { Op.maximum(.tensor(a), .tensor(b)) }

    /// Where the elements are the same, as ``DType/bool``; shapes are broadcast: [2, 3] and [3] → [2, 3].
    public func equal(_ other: Tensor) -> Tensor { Op.eq(.tensor(self), .tensor(other)) }
    /// Where the elements are this number, as ``DType/bool``: [2, 3] → [2, 3].
    public func equal(_ other: Double) -> Tensor { Op.eqScalar(.tensor(self), .double(other)) }
    /// Where x < other, as ``DType/bool``: [2, 3] → [2, 3].
    public func less(than other: Double) -> Tensor { Op.lt(.tensor(self), .double(other)) }
    /// Where x > other, as ``DType/bool``: [2, 3] → [2, 3].
    public func greater(than other: Double) -> Tensor { Op.gt(.tensor(self), .double(other)) }
    /// Where x ≥ other, as ``DType/bool``: [2, 3] → [2, 3].
    public func atLeast(_ other: Double) -> Tensor { Op.ge(.tensor(self), .double(other)) }
    /// Where x ≤ other, as ``DType/bool``: [2, 3] → [2, 3].
    public func atMost(_ other: Double) -> Tensor { Op.le(.tensor(self), .double(other)) }
    /// Where the elements are neither infinite nor NaN, as ``DType/bool``: [2, 3] → [2, 3].
    public func isFinite() -> Tensor { Op.isFinite(.tensor(self)) }
    /// Elements of `self` where `condition` (``DType/bool``) holds, of `other` elsewhere; shapes are broadcast: [2, 3]
    /// with a condition [2, 1] → [2, 3].
    public func `where`(_ condition: Tensor, else other: Tensor) -> Tensor {
        Op.whereSelf(.tensor(condition), .tensor(self), .tensor(other))
    }

    // In place
    /// Adds `alpha · other` to this tensor's own memory; `other` is broadcast to it: [2, 3] += [3].
    public func add_(_ other: Tensor, alpha: Double = 1) {
        Op.addInPlace.run(.tensor(self), .tensor(other), .double(alpha))
    }
    /// Adds a whole number to every element in place: a counter keeps its type.
    public func add_(_ value: Int) { Op.addScalarInPlace.run(.tensor(self), .int(value), .int(1)) }
    /// Multiplies every element by a number in place.
    public func mul_(_ factor: Double) { Op.mulInPlace.run(.tensor(self), .double(factor)) }
    /// Copies the values of `other` into this tensor's memory, converting type and device; `other` is broadcast to it.
    public func copy_(_ other: Tensor) { Op.copyInPlace.run(.tensor(self), .tensor(other)) }
    /// max(0, x) in place. The gradient keeps the result, not what was there before.
    public func relu_() { Op.reluInPlace.run(.tensor(self)) }
    /// min(6, max(0, x)) in place. The gradient keeps the result, not what was there before.
    public func relu6_() { Op.relu6InPlace.run(.tensor(self)) }
    /// Sets every element to 0 in place.
    public func zero_() { Op.zeroInPlace.run(.tensor(self)) }
    /// Sets every element to a number in place.
    public func fill_(_ value: Double) { Op.fillInPlace.run(.tensor(self), .double(value)) }
    /// self += weight · (end − self) in place, for an `end` of this shape.
    public func lerp_(to end: Tensor, weight: Double) {
        Op.lerpInPlace.run(.tensor(self), .tensor(end), .double(weight))
    }
}
