import Foundations
import Torch

/// The nodes of a network that was watched on two images and on three.
struct ONNXGraph {
    var model = ONNXModel()
    /// The names of the tensors that depend on the images, of the first run and of the second.
    private var names: [ObjectIdentifier: String] = [:]
    private var others: Set<ObjectIdentifier> = []
    /// Kept alive, so that no other takes a constant's identity.
    private var constants: [ObjectIdentifier: (name: String, tensor: Tensor)] = [:]
    private var count = 0
    /// The name of the number of images, a list of one; made when it is first asked for.
    private var batch: String?
    private let input: String

    /// - Parameters:
    ///   - input: the two images.
    ///   - other: the three.
    init(input: Tensor, other: Tensor, name: String) {
        self.input = name
        names[ObjectIdentifier(input)] = name
        others.insert(ObjectIdentifier(other))
    }

    /// A name that nothing has.
    mutating func fresh(_ kind: String) -> String {
        count += 1
        return "\(kind)_\(count)"
    }

    /// Adds a node with a fresh output, whose name it returns.
    mutating func node(
        _ type: String, _ inputs: [String], _ attributes: [String: ONNXModel.Attribute] = [:]
    ) -> String {
        let output = fresh(type.lowercased())
        model.add(type, inputs, output: output, attributes)
        return output
    }

    /// A constant's name.
    mutating func constant(_ tensor: Tensor) -> String {
        if let found = constants[ObjectIdentifier(tensor)] { return found.name }
        let name = fresh("constant")
        model.add(name, tensor)
        constants[ObjectIdentifier(tensor)] = (name, tensor)
        return name
    }

    /// A constant number.
    mutating func constant(_ number: Double) -> String {
        let name = fresh("number")
        model.add(name, Tensor([Float(number)], shape: []))
        return name
    }

    /// Constant whole numbers.
    mutating func constant(ints: [Int], isScalar: Bool = false) -> String {
        let name = fresh("sizes")
        model.add(name, ints: ints, isScalar: isScalar)
        return name
    }

    /// Whether a tensor depends on the images.
    func depends(_ tensor: Tensor) -> Bool { names[ObjectIdentifier(tensor)] != nil }

    /// The name of a tensor: what was made of the images, or a constant. One that is as long as there are images, and has the same row
    /// for each, is repeated when the model runs.
    /// - Parameter other: the same tensor of the second run.
    mutating func name(_ tensor: Tensor, _ other: Tensor) throws -> String {
        if let name = names[ObjectIdentifier(tensor)] { return name }
        if tensor.shape == other.shape { return constant(tensor) }
        guard tensor.rank > 0, tensor.size(0) == 2, other.shape == [3] + tensor.shape.dropFirst(),
            (tensor[0] - tensor[1]).abs().max().item() == 0
        else { throw ONNXExport.dependsOnCount }
        let rest = constant(ints: Array(tensor.shape.dropFirst()))
        let shape = node("Concat", [imageCount(), rest], ["axis": .int(0)])
        return node("Expand", [constant(tensor[0..<1]), shape])
    }

    private mutating func imageCount() -> String {
        if let batch { return batch }
        let shape = node("Shape", [input])
        let name = node("Slice", [shape, constant(ints: [0]), constant(ints: [1])])
        batch = name
        return name
    }

    /// Adds what a call computes; nothing where that does not depend on the images.
    mutating func add(_ call: OperatorCall, _ other: OperatorCall) throws {
        let tensors = call.arguments.flatMap(\.allTensors)
        guard tensors.contains(where: depends) else {
            guard !other.arguments.flatMap(\.allTensors).contains(where: { others.contains(ObjectIdentifier($0)) })
            else {
                throw ONNXExport.dependsOnCount
            }
            return
        }
        let isInPlace = call.name.hasSuffix("_")
        let kind = String(isInPlace ? call.name.dropLast() : call.name[...])
        let pair = ONNXCall(call, other)
        let output = try translate(kind, pair)
        let results = isInPlace ? [pair.tensor(0)] : zip(call.results, other.results).map { ($0, $1) }
        guard results.count == 1 else { throw Self.unknown(call.name) }
        names[ObjectIdentifier(results[0].0)] = output
        others.insert(ObjectIdentifier(results[0].1))
    }

    /// Names the result of all.
    mutating func finish(_ output: Tensor, name: String) throws {
        guard let found = names[ObjectIdentifier(output)] else {
            throw UserError("this network's output does not depend on its images; there is nothing to export")
        }
        model.add("Identity", [found], output: name)
    }

    static func unknown(_ name: String) -> UserError {
        UserError("the network has an operator that is not written as ONNX here (\(name)); export safetensors")
    }
}

extension OperatorCall.Argument {
    /// The tensors of the argument.
    fileprivate var allTensors: [Tensor] {
        switch self {
        case .tensor(let tensor): [tensor]
        case .tensors(let tensors): tensors.compactMap { $0 }
        default: []
        }
    }
}
