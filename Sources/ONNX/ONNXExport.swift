import Foundations
import Torch

/// Writes a network as an ONNX model that takes any number of images, by watching it compute.
///
/// The network runs twice, on two images and on three. The operators that it calls become nodes; what does not depend on the images
/// is worked out now and becomes a constant. Sizes that differ between the two are the number of images.
public struct ONNXExport {
    /// The name of the input: normalised images float32 [N, 3, H, W].
    public static let inputName = "images"
    /// The name of the output: logits float32 [N, classes].
    public static let outputName = "logits"

    /// The model's bytes, a file `model.onnx`.
    /// - Parameters:
    ///   - name: the graph's name, which viewers show.
    ///   - imageShape: [channels, height, width] of an image.
    ///   - producer: the program and its version.
    ///   - metadata: what a reader may want to know.
    ///   - network: from [N, channels, height, width] to [N, classes], in evaluation.
    /// - Throws: `UserError` for a network with an operator that has no form here, or one that looks at several images at once;
    ///   what libtorch throws.
    public static func model(
        name: String, imageShape: [Int], producer: (name: String, version: String), metadata: [String: String],
        device: Device = .cpu, network: (Tensor) -> Tensor
    ) throws -> [UInt8] {
        func trace(_ count: Int) throws -> (input: Tensor, output: Tensor, calls: [OperatorCall]) {
            try withTorchErrors {
                // Not zeros, whose rows could be told to be equal.
                let input = Tensor.randn([count] + imageShape, generator: Generator(seed: UInt64(count))).to(
                    device: device)
                let (output, calls) = tracingOperators { inferenceMode { network(input) } }
                return (input, output, calls)
            }
        }
        let (two, three) = (try trace(2), try trace(3))
        guard two.calls.map(\.name) == three.calls.map(\.name) else { throw dependsOnCount }
        return try withTorchErrors {
            var graph = ONNXGraph(input: two.input, other: three.input, name: inputName)
            graph.model.producer = producer
            graph.model.metadata = metadata
            for (call, other) in zip(two.calls, three.calls) { try graph.add(call, other) }
            guard two.output.shape.first == 2, three.output.shape == [3] + two.output.shape.dropFirst() else {
                throw dependsOnCount
            }
            try graph.finish(two.output, name: outputName)
            return graph.model.bytes(
                name: name, input: .init(name: inputName, shape: [nil] + imageShape),
                output: .init(name: outputName, shape: [nil] + two.output.shape.dropFirst().map { $0 }))
        }
    }

    static let dependsOnCount = UserError(
        "this network predicts an image by the others beside it, which ONNX has no form for; export safetensors")
}
