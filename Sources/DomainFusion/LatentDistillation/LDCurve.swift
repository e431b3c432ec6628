import Diffusion
import Torch

/// LD of one image as a function of the confidence: `G(p) = E_{t,ε}[w(t)·⟨ε̂ − ε, ∂z/∂p⟩ / dim(z)]`.
///
/// It depends on the image, the prompt, the LDM and LD's settings, but on no classifier: it is computed once.
public struct LDCurve: Sendable {
    /// The curve's values G(p) at the nodes.
    public let values: [Float]
    /// Standard deviation of a single draw at each node.
    public let deviations: [Float]

    /// A curve of values at its nodes.
    public init(values: [Float], deviations: [Float]) {
        self.values = values
        self.deviations = deviations
    }
}

extension LatentDistillation {
    /// U-Net evaluations that one curve takes.
    public var evaluationsPerCurve: Int {
        settings.nodes * settings.draws * (settings.guidanceScale == 1 ? 1 : 2) * (settings.objective == .full ? 2 : 1)
    }

    /// The curve of one image.
    /// - Parameters:
    ///   - image: [3, H, W] in [0, 1].
    ///   - context: states of the prompt [tokens, width].
    ///   - seed: of the draws, which are the same at every node.
    public func curve(_ image: Tensor, context: Tensor, seed: UInt64) -> LDCurve {
        let nodes = ChebyshevGrid(settings.nodes).nodes
        let table = gradients(image, context: context, at: nodes, draw: draws(seed: seed))
        return inferenceMode {
            LDCurve(
                values: table.mean([1]).scalars(),
                deviations: settings.draws > 1
                    ? table.variance([1]).sqrt().scalars() : [Float](repeating: 0, count: nodes.count))
        }
    }

    /// The draws of one image's evaluations.
    func draws(seed: UInt64) -> NoiseDraw {
        NoiseDraw.stratified(settings.draws, for: denoiser, settings: settings, generator: Generator(seed: seed))
    }

    /// g of one image at every confidence with every draw: [confidences, draws].
    /// - Parameters:
    ///   - image: [3, H, W] in [0, 1].
    ///   - context: states of the prompt [tokens, width].
    func gradients(_ image: Tensor, context: Tensor, at confidences: [Double], draw: NoiseDraw) -> Tensor {
        inferenceMode {
            let (count, draws) = (confidences.count, draw.times.count)
            let confidence = Tensor(confidences.map(Float.init), device: denoiser.model.device)
            let images = image.unsqueezed(0).expanded([count, -1, -1, -1])
            let (latents, derivative, ends) = trajectoryInParts(images, confidence: confidence)
            // Every confidence with every draw: rows by confidence.
            let pointOf = Tensor((0..<count).flatMap { [Int64](repeating: Int64($0), count: draws) })
                .to(device: denoiser.model.device)
            let drawOf = Tensor((0..<count).flatMap { _ in (0..<draws).map(Int64.init) })
                .to(device: denoiser.model.device)
            var rows: [Tensor] = []
            let batch = max(1, denoiser.model.batchLimit / (settings.guidanceScale == 1 ? 1 : 2))
            for start in stride(from: 0, to: pointOf.count, by: batch) {
                let range = start..<min(start + batch, pointOf.count)
                let points = pointOf[range]
                rows.append(
                    gradient(
                        latents.indexSelect(0, points), derivative: derivative.indexSelect(0, points),
                        ends: ends.map { $0.indexSelect(0, points) },
                        context: context.unsqueezed(0).expanded([range.count, -1, -1]),
                        draw: draw.selected(drawOf[range])))
            }
            return Tensor.concatenated(rows).reshaped(count, draws)
        }
    }
}
