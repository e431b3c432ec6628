import Diffusion
import Foundation
import Testing
import Torch

@testable import DomainFusion

/// A tiny random Stable Diffusion 1 (`sd1`) or 2 (`sd2`, v-prediction) in diffusers layout.
func tinyModel(_ name: String, dtype: DType = .float32) throws -> LatentDiffusionModel {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    return try LatentDiffusionModel(
        path: tests.appendingPathComponent("DiffusionTests/Fixtures/\(name)").path, dtype: dtype)
}

/// Four images, their prompts' states, confidences and draws.
private struct Example {
    let distillation: LatentDistillation
    let images, context, confidence: Tensor
    let draw: NoiseDraw

    init(_ name: String, dtype: DType, change: (inout LatentDistillationSettings) -> Void = { _ in }) throws {
        var settings = LatentDistillationSettings()
        change(&settings)
        let model = try tinyModel(name, dtype: dtype)
        distillation = LatentDistillation(FrozenDenoiser(model), settings)
        let generator = Generator(seed: 3)
        let size = model.imageSize
        images = Tensor.rand([4, 3, size, size], generator: generator).to(dtype: dtype)
        context = model.embed(["a dog", "the art", "a photo", "cartoon"])
        confidence = Tensor([0.15, 0.4, 0.7, 0.95] as [Double]).to(dtype: dtype)
        draw = NoiseDraw.stratified(4, for: distillation.denoiser, settings: settings, generator: generator)
    }

    /// The gradient of a loss per image in the confidence, by autograd.
    func byAutograd(_ loss: (Tensor) -> Tensor) -> Tensor {
        let leaf = confidence.cloned()
        leaf.requiresGrad = true
        return gradients(of: [loss(leaf).sum()], with: [leaf])[0] ?? .zeros([4])
    }

    var forwardOnly: Tensor {
        distillation.gradient(images, context: context, confidence: confidence, draw: draw)
    }
}

private func relativeError(_ a: Tensor, _ b: Tensor) -> Double { ((a - b).norm() / b.norm()).item() }

@Suite struct LatentDistillationTests {
    static let models = ["sd1", "sd2"]
    static let precisions: [(DType, Double)] = [(.float32, 1e-3), (.float64, 1e-6)]

    @Test(arguments: models, precisions) func forwardOnlyEqualsAutograd(_ model: String, _ precision: (DType, Double))
        throws
    {
        for scaling in LatentDistillationSettings.Scaling.allCases {
            for weight in LatentDistillationSettings.TimeWeight.allCases {
                let example = try Example(model, dtype: precision.0) {
                    $0.scaling = scaling
                    $0.timeWeight = weight
                }
                let reference = example.byAutograd {
                    example.distillation.surrogate(
                        example.images, context: example.context, confidence: $0, draw: example.draw)
                }
                #expect(relativeError(example.forwardOnly, reference) < precision.1)
            }
        }
    }

    @Test(arguments: models) func fullObjectiveEqualsAutogradThroughTheUNet(_ model: String) throws {
        let example = try Example(model, dtype: .float64) { $0.objective = .full }
        let reference = example.byAutograd {
            example.distillation.value(
                example.images, context: example.context, confidence: $0, draw: example.draw)
        }
        #expect(relativeError(example.forwardOnly, reference) < 1e-6)
    }

    @Test func manyImagesAreWorkedOutInParts() throws {
        let example = try Example("sd1", dtype: .float64)
        let copies = 5  // 20 images: more than a part has
        let many = example.distillation.gradient(
            example.images.repeated([copies, 1, 1, 1]), context: example.context.repeated([copies, 1, 1]),
            confidence: example.confidence.repeated([copies]),
            draw: NoiseDraw(
                times: example.draw.times.repeated([copies]), noise: example.draw.noise.repeated([copies, 1, 1, 1])))
        #expect(many.shape == [4 * copies])
        #expect(relativeError(many, example.forwardOnly.repeated([copies])) < 1e-9)
    }

    @Test func guidanceOfOneLeavesTheConditionalPrediction() throws {
        let plain = try Example("sd1", dtype: .float64) { $0.guidanceScale = 1 }
        let guided = try Example("sd1", dtype: .float64) { $0.guidanceScale = 1 + 1e-9 }
        #expect(relativeError(plain.forwardOnly, guided.forwardOnly) < 1e-6)
        let strong = try Example("sd1", dtype: .float64) { $0.guidanceScale = 7.5 }
        #expect(relativeError(plain.forwardOnly, strong.forwardOnly) > 1e-3)
    }

    @Test func curvesGiveTheDirectValueAtTheirNodes() throws {
        let example = try Example("sd2", dtype: .float64) {
            $0.nodes = 4
            $0.draws = 6
        }
        let seed: UInt64 = 11
        let curve = example.distillation.curve(example.images[0], context: example.context[0], seed: seed)
        let draw = NoiseDraw.stratified(
            6, for: example.distillation.denoiser, settings: example.distillation.settings,
            generator: Generator(seed: seed))
        for (index, node) in ChebyshevGrid(4).nodes.enumerated() {
            let direct = example.distillation.gradient(
                example.images[0..<1].expanded([6, -1, -1, -1]), context: example.context[0..<1].expanded([6, -1, -1]),
                confidence: Tensor.full([6], node, dtype: .float64), draw: draw)
            #expect(abs(direct.mean().item() - Double(curve.values[index])) < 1e-6 * max(1, abs(direct.mean().item())))
        }
    }

    @Test func curvesConvergeBetweenTheirNodes() throws {
        func error(_ nodes: Int) throws -> Double {
            let example = try Example("sd2", dtype: .float64) {
                $0.nodes = nodes
                $0.draws = 4
            }
            let seed: UInt64 = 5
            let points: [Double] = [0.08, 0.31, 0.56, 0.83]
            let curve = example.distillation.curve(example.images[1], context: example.context[1], seed: seed)
            let values = Tensor(curve.values.map(Double.init), shape: [1, nodes]).expanded([4, -1])
            let interpolated = ChebyshevGrid(nodes).interpolate(values, at: Tensor(points))
            let draw = NoiseDraw.stratified(
                4, for: example.distillation.denoiser, settings: example.distillation.settings,
                generator: Generator(seed: seed))
            let direct = points.map { point in
                example.distillation.gradient(
                    example.images[1..<2].expanded([4, -1, -1, -1]),
                    context: example.context[1..<2].expanded([4, -1, -1]),
                    confidence: Tensor.full([4], point, dtype: .float64), draw: draw
                ).mean().item()
            }
            return relativeError(interpolated, Tensor(direct))
        }
        let coarse = try error(3)
        let fine = try error(33)
        #expect(fine < coarse)
        #expect(fine < 0.01)
    }

    @Test func posteriorPrefersTheLeastError() {
        let posterior = LDMPosterior(errors: [0.30, 0.28, 0.31])
        #expect(posterior.prediction == 1)
        let p = posterior.probabilities(sharpness: 100)
        #expect(abs(p.reduce(0, +) - 1) < 1e-12)
        // Closed form: odds are exp(β·difference).
        #expect(abs(p[1] / p[0] - Foundation.exp(100 * (Double(Float(0.30)) - Double(Float(0.28))))) < 1e-6)
    }
}

@Suite struct ChebyshevGridTests {
    @Test func interpolatesPolynomialsExactly() {
        let grid = ChebyshevGrid(5)
        #expect(grid.nodes.first == 0 && grid.nodes.last == 1)
        func polynomial(_ x: Double) -> Double { 3 - 2 * x + 4 * x * x * x - x * x * x * x }
        let points: [Double] = [0, 0.1, grid.nodes[2], 0.77, 1]
        let values = Tensor(grid.nodes.map(polynomial), shape: [1, 5]).expanded([points.count, -1])
        let result = grid.interpolate(values, at: Tensor(points)).scalars(Double.self)
        for (point, value) in zip(points, result) { #expect(abs(value - polynomial(point)) < 1e-9) }
    }
}
