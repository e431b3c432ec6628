import Backbones
import Foundations
import Testing
import Torch

@testable import ONNX

/// What the graphs compute is checked with onnxruntime by scripts/check-export.
struct ONNXExportTests {
    private func bytes(_ network: (Tensor) -> Tensor) throws -> [UInt8] {
        try ONNXExport.model(
            name: "n", imageShape: [3, 4, 4], producer: ("p", "1"), metadata: [:], network: network)
    }

    private func message(_ network: (Tensor) -> Tensor) -> String? {
        do {
            _ = try bytes(network)
            return nil
        } catch { return "\(error)" }
    }

    private func contains(_ bytes: [UInt8], _ text: String) -> Bool {
        let wanted = Array(text.utf8)
        return bytes.indices.dropLast(wanted.count).contains {
            bytes[$0] == wanted[0] && bytes[$0...].starts(with: wanted)
        }
    }

    /// What does not depend on the images is worked out: a scaled weight is one constant.
    @Test func foldsConstants() throws {
        let weight = Tensor.randn([2, 48], generator: Generator(seed: 1))
        let model = try bytes { ($0.flattened(from: 1)).linear(weight * 2 + 1, nil).relu() }
        #expect(contains(model, "Reshape") && contains(model, "Gemm") && contains(model, "Relu"))
        #expect(!contains(model, "Mul") && !contains(model, "Add"))
        let again = try bytes { ($0.flattened(from: 1)).linear(weight * 2 + 1, nil).relu() }
        #expect(model == again)
    }

    /// A number that stands for each image, such as a class token, is repeated as often as there are images.
    @Test func repeatsConstantsForEachImage() throws {
        let token = Tensor.randn([1, 5], generator: Generator(seed: 2))
        let model = try bytes { x in
            Tensor.concatenated([token.expanded([x.size(0), -1]), x.flattened(from: 1)], dimension: 1)
        }
        #expect(contains(model, "Shape") && contains(model, "Expand") && contains(model, "Concat"))
    }

    @Test func refusesWhatItCannotSay() {
        #expect(message { $0.flattened(from: 1) - $0.flattened(from: 1).mean([0]) } == nil)
        #expect(message { $0.flattened(from: 1).cos() }?.contains("aten::cos") == true)
        // As many columns as images.
        let other = ONNXExport.dependsOnCount.message
        #expect(message { x in x.flattened(from: 1).matmul(x.flattened(from: 1).transposed(0, 1)) } == other)
        #expect(message { $0.size(0) == 2 ? $0.flattened(from: 1) : $0.flattened(from: 1).relu() } == other)
        #expect(message { _ in .zeros([2, 3]) } == other)
    }

    @Test(arguments: ["tf_efficientnet_lite0", "resnet18", "convnext_tiny", "vit_small_patch16_224"])
    func everyKindOfBackboneHasAForm(_ name: String) throws {
        let classifier = try Classifier(Backbones.named(name), classCount: 2, seed: 0)
        let model = try ONNXExport.model(
            name: name, imageShape: [3, 64, 64], producer: ("p", "1"), metadata: [:]
        ) { classifier($0) }
        // All weights are in it, but for norms that are part of a convolution and positions that smaller images do not have.
        #expect(model.count > 39 * classifier.store.parameterCount / 10)
    }
}
