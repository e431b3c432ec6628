import Torch

/// A call of an operator on two images, and the same one on three.
struct ONNXCall {
    private let first: OperatorCall
    private let second: OperatorCall

    init(_ first: OperatorCall, _ second: OperatorCall) {
        (self.first, self.second) = (first, second)
    }

    var name: String { first.name }

    /// The shape of what comes out; nil where it is as long as there are images.
    var resultShape: [Int?] {
        guard let result = first.results.first, let other = second.results.first else { return [] }
        return zip(result.shape, other.shape).map { $0 == $1 ? $0 : nil }
    }

    private func argument(_ index: Int) -> OperatorCall.Argument {
        index < first.arguments.count ? first.arguments[index] : .none
    }

    /// A tensor argument of both runs; an empty one where it is none.
    func tensor(_ index: Int) -> (Tensor, Tensor) {
        optionalTensor(index) ?? (.zeros([0]), .zeros([0]))
    }

    /// A tensor argument of both runs; nil where it is none.
    func optionalTensor(_ index: Int) -> (Tensor, Tensor)? {
        guard case .tensor(let tensor) = argument(index), case .tensor(let other) = second.arguments[index] else {
            return nil
        }
        return (tensor, other)
    }

    /// A list of tensors of both runs.
    func tensors(_ index: Int) -> [(Tensor, Tensor)] {
        guard case .tensors(let list) = argument(index), case .tensors(let others) = second.arguments[index] else {
            return []
        }
        return zip(list, others).compactMap { tensor, other in
            tensor.flatMap { tensor in other.map { (tensor, $0) } }
        }
    }

    /// A whole number; nil for any other argument.
    func int(_ index: Int) -> Int? {
        if case .int(let value) = argument(index) { value } else { nil }
    }

    /// A number; nil for any other argument.
    func number(_ index: Int) -> Double? {
        switch argument(index) {
        case .int(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }

    /// Whole numbers; nil for any other argument.
    func ints(_ index: Int) -> [Int]? {
        if case .ints(let values) = argument(index) { values } else { nil }
    }

    /// A text; nil for any other argument.
    func string(_ index: Int) -> String? {
        if case .string(let text) = argument(index) { text } else { nil }
    }
}
