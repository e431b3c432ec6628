import Foundations
import Torch

/// A model in the Open Neural Network Exchange format (https://onnx.ai, opset 17): one input, one output, and nodes between them.
/// Field numbers are those of its `onnx.proto`.
struct ONNXModel {
    /// The version of the operators.
    static let operatorSet = 17
    /// The version of the format that has these operators.
    private static let formatVersion = 8
    private static let float = 1
    private static let int64 = 7

    /// What a node is set to.
    enum Attribute {
        case int(Int)
        case ints([Int])
        case float(Double)
    }

    /// A name in the graph with its sizes; nil stands for any number of images.
    struct Port {
        let name: String
        let shape: [Int?]
    }

    /// Adjusts names that are to be seen in viewers and by callers.
    var producer = (name: "", version: "")
    /// What a reader may want to know of the model.
    var metadata: [String: String] = [:]
    private var nodes: [ProtobufMessage] = []
    private var initializers: [ProtobufMessage] = []

    /// Adds a node.
    mutating func add(_ type: String, _ inputs: [String], output: String, _ attributes: [String: Attribute] = [:]) {
        var node = ProtobufMessage()
        for input in inputs { node.add(1, input) }
        node.add(2, output)
        node.add(3, "\(type)_\(nodes.count)")
        node.add(4, type)
        for (name, attribute) in attributes.sorted(by: { $0.key < $1.key }) {
            var message = ProtobufMessage()
            message.add(1, name)
            switch attribute {
            case .float(let value):
                message.add(2, Float(value))
                message.add(20, 1)
            case .int(let value):
                message.add(3, value)
                message.add(20, 2)
            case .ints(let values):
                message.add(8, packed: values)
                message.add(20, 7)
            }
            node.add(5, message)
        }
        nodes.append(node)
    }

    /// Adds constant whole numbers: of one dimension, or a single number.
    mutating func add(_ name: String, ints values: [Int], isScalar: Bool = false) {
        let bytes = values.flatMap { withUnsafeBytes(of: Int64($0).littleEndian, Array.init) }
        add(name, type: Self.int64, shape: isScalar ? [] : [values.count], bytes)
    }

    /// Adds a constant tensor, in float32.
    mutating func add(_ name: String, _ tensor: Tensor) {
        let values = tensor.to(device: .cpu, dtype: .float32).contiguous().scalars(Float.self)
        values.withUnsafeBytes { add(name, type: Self.float, shape: tensor.shape, Array($0)) }
    }

    private mutating func add(_ name: String, type: Int, shape: [Int], _ bytes: [UInt8]) {
        var tensor = ProtobufMessage()
        if !shape.isEmpty { tensor.add(1, packed: shape) }
        tensor.add(2, type)
        tensor.add(8, name)
        tensor.add(9, raw: bytes)
        initializers.append(tensor)
    }

    /// The model's bytes.
    func bytes(name: String, input: Port, output: Port) -> [UInt8] {
        var graph = ProtobufMessage()
        for node in nodes { graph.add(1, node) }
        graph.add(2, name)
        for initializer in initializers { graph.add(5, initializer) }
        graph.add(11, Self.value(input))
        graph.add(12, Self.value(output))
        var operators = ProtobufMessage()
        operators.add(1, "")
        operators.add(2, Self.operatorSet)
        var model = ProtobufMessage()
        model.add(1, Self.formatVersion)
        model.add(2, producer.name)
        model.add(3, producer.version)
        model.add(7, graph)
        model.add(8, operators)
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            var pair = ProtobufMessage()
            pair.add(1, key)
            pair.add(2, value)
            model.add(14, pair)
        }
        return model.bytes
    }

    private static func value(_ port: Port) -> ProtobufMessage {
        var shape = ProtobufMessage()
        for size in port.shape {
            var dimension = ProtobufMessage()
            if let size { dimension.add(1, size) } else { dimension.add(2, "N") }
            shape.add(1, dimension)
        }
        var tensor = ProtobufMessage()
        tensor.add(1, float)
        tensor.add(2, shape)
        var type = ProtobufMessage()
        type.add(1, tensor)
        var value = ProtobufMessage()
        value.add(1, port.name)
        value.add(2, type)
        return value
    }
}
