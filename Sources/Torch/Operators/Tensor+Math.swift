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
    public static func + (a: Tensor, b: Tensor) -> Tensor { Op.add(.tensor(a), .tensor(b)) }
    public static func + (a: Tensor, b: Double) -> Tensor {
        a.like(b).map { a + $0 } ?? Op.addScalar(.tensor(a), .double(b))
    }
    public static func + (a: Double, b: Tensor) -> Tensor { b + a }
    public static func - (a: Tensor, b: Tensor) -> Tensor { Op.sub(.tensor(a), .tensor(b)) }
    public static func - (a: Tensor, b: Double) -> Tensor {
        a.like(b).map { a - $0 } ?? Op.subScalar(.tensor(a), .double(b))
    }
    public static func - (a: Double, b: Tensor) -> Tensor {
        b.like(a).map { $0 - b } ?? Op.rsub(.tensor(b), .double(a))
    }
    public static func * (a: Tensor, b: Tensor) -> Tensor { Op.mul(.tensor(a), .tensor(b)) }
    public static func * (a: Tensor, b: Double) -> Tensor {
        a.like(b).map { a * $0 } ?? Op.mulScalar(.tensor(a), .double(b))
    }
    public static func * (a: Double, b: Tensor) -> Tensor { b * a }
    public static func / (a: Tensor, b: Tensor) -> Tensor { Op.div(.tensor(a), .tensor(b)) }
    public static func / (a: Tensor, b: Double) -> Tensor {
        a.like(b).map { a / $0 } ?? Op.divScalar(.tensor(a), .double(b))
    }
    public static func / (a: Double, b: Tensor) -> Tensor { Op.reciprocal(.tensor(b)) * a }
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

    public func exp() -> Tensor { Op.exp(.tensor(self)) }
    public func log() -> Tensor { Op.log(.tensor(self)) }
    public func sqrt() -> Tensor { Op.sqrt(.tensor(self)) }
    public func rsqrt() -> Tensor { Op.rsqrt(.tensor(self)) }
    public func abs() -> Tensor { Op.abs(.tensor(self)) }
    public func sin() -> Tensor { Op.sin(.tensor(self)) }
    public func cos() -> Tensor { Op.cos(.tensor(self)) }
    public func tanh() -> Tensor { Op.tanh(.tensor(self)) }
    public func sigmoid() -> Tensor { Op.sigmoid(.tensor(self)) }
    public func sign() -> Tensor { Op.sign(.tensor(self)) }
    public func rounded() -> Tensor { Op.round(.tensor(self)) }
    public func pow(_ exponent: Double) -> Tensor { Op.power(.tensor(self), .double(exponent)) }
    public func squared() -> Tensor { self * self }
    public func clamp(min: Double? = nil, max: Double? = nil) -> Tensor {
        Op.clamp(.tensor(self), min.map(Value.double) ?? .none, max.map(Value.double) ?? .none)
    }
    public func relu() -> Tensor { Op.relu(.tensor(self)) }
    public func relu6() -> Tensor { Op.relu6(.tensor(self)) }
    public func silu() -> Tensor { Op.silu(.tensor(self)) }
    /// GELU; `tanh` takes the approximation.
    public func gelu(tanh: Bool = false) -> Tensor { Op.gelu(.tensor(self), .string(tanh ? "tanh" : "none")) }
    /// `x · sigmoid(1.702 x)`, CLIP's activation.
    public func quickGELU() -> Tensor { self * (self * 1.702).sigmoid() }
    /// `log(1 + e^x)`.
    public func softplus() -> Tensor { Op.softplus(.tensor(self)) }
    public func softmax(_ dimension: Int) -> Tensor { Op.softmax(.tensor(self), .int(dimension)) }
    public func logSoftmax(_ dimension: Int) -> Tensor { Op.logSoftmax(.tensor(self), .int(dimension)) }
    public func matmul(_ other: Tensor) -> Tensor { Op.matmul(.tensor(self), .tensor(other)) }
    /// `self + weight · (end − self)`.
    public func lerp(to end: Tensor, weight: Tensor) -> Tensor { Op.lerp(.tensor(self), .tensor(end), .tensor(weight)) }

    public static func minimum(_ a: Tensor, _ b: Tensor) -> Tensor { Op.minimum(.tensor(a), .tensor(b)) }
    public static func maximum(_ a: Tensor, _ b: Tensor) -> Tensor { Op.maximum(.tensor(a), .tensor(b)) }

    public func equal(_ other: Tensor) -> Tensor { Op.eq(.tensor(self), .tensor(other)) }
    public func equal(_ other: Double) -> Tensor { Op.eqScalar(.tensor(self), .double(other)) }
    public func less(than other: Double) -> Tensor { Op.lt(.tensor(self), .double(other)) }
    public func greater(than other: Double) -> Tensor { Op.gt(.tensor(self), .double(other)) }
    public func atLeast(_ other: Double) -> Tensor { Op.ge(.tensor(self), .double(other)) }
    public func atMost(_ other: Double) -> Tensor { Op.le(.tensor(self), .double(other)) }
    public func isFinite() -> Tensor { Op.isFinite(.tensor(self)) }
    /// Elements of `self` where `condition` holds, of `other` elsewhere.
    public func `where`(_ condition: Tensor, else other: Tensor) -> Tensor {
        Op.whereSelf(.tensor(condition), .tensor(self), .tensor(other))
    }

    // In place
    public func add_(_ other: Tensor, alpha: Double = 1) {
        Op.addInPlace.run(.tensor(self), .tensor(other), .double(alpha))
    }
    public func add_(_ value: Int) { Op.addScalarInPlace.run(.tensor(self), .int(value), .int(1)) }
    public func mul_(_ factor: Double) { Op.mulInPlace.run(.tensor(self), .double(factor)) }
    /// Copies the values of `other`, converting type and device.
    public func copy_(_ other: Tensor) { Op.copyInPlace.run(.tensor(self), .tensor(other)) }
    /// Its gradient keeps the result, not what was there before.
    public func relu_() { Op.reluInPlace.run(.tensor(self)) }
    public func relu6_() { Op.relu6InPlace.run(.tensor(self)) }
    public func zero_() { Op.zeroInPlace.run(.tensor(self)) }
    public func fill_(_ value: Double) { Op.fillInPlace.run(.tensor(self), .double(value)) }
    /// `self += weight · (end − self)`.
    public func lerp_(to end: Tensor, weight: Double) {
        Op.lerpInPlace.run(.tensor(self), .tensor(end), .double(weight))
    }
}
