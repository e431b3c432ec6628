import Diffusion
import DomainGeneralization
import Foundation
import Torch

/// Latent distillation as a term of any algorithm's loss.
public final class LatentDistillationTerm {
    public let settings: LatentDistillationSettings
    private let distillation: LatentDistillation
    private let source: Source
    private let prompts: ImagePrompts
    private let items: [ImageFolder.Item]
    private let seed: UInt64

    /// Where g comes from.
    private enum Source {
        case autograd
        case online
        case latentCurve(LatentCurveTable)
        case curve(LDCurveTable)
    }

    /// - Parameters:
    ///   - styles: what `{style}` in the prompt stands for.
    ///   - ledger: counts what the tables of the curve modes take.
    /// - Throws: `UserError` for a model in a precision that does not do; what reading images or the store throws.
    public init(
        _ settings: LatentDistillationSettings, styles: DomainStyles, model: LatentDiffusionModel,
        context: AlgorithmContext, store: ContentStore, ledger: inout Ledger
    ) throws {
        self.settings = settings
        try LatentDistillation.check(model, settings)
        distillation = LatentDistillation(FrozenDenoiser(model), settings)
        prompts = try ImagePrompts(settings.prompt, styles: styles, context: context)
        items = context.dataset.items
        seed = UInt64(bitPattern: Int64(seedHash(.int(context.seed), "latent distillation")))
        let tables = DistillationTables(
            distillation: distillation, context: context, prompts: prompts, store: store)
        source =
            switch settings.mode {
            case .off, .autograd: .autograd
            case .online: .online
            case .latentCurve: .latentCurve(try tables.latentCurves(ledger: &ledger))
            case .curve: .curve(try tables.curves(ledger: &ledger))
            }
    }

    /// The term `λ·mean(g·p)` and what is logged of it.
    /// - Parameters:
    ///   - confidence: the classifier's probability of the true label [N], part of its graph.
    ///   - images: the views the classifier saw, [N, 3, H, W] in [0, 1]; worked out only where the mode looks at them.
    /// - Throws: `UserError` for an item that the run does not train on.
    public func loss(
        confidence: Tensor, images: @autoclosure () -> Tensor, labels: [Int], items: [Int], step: Int,
        ledger: inout Ledger
    ) throws -> (loss: Tensor, metrics: [Metric]) {
        let start = Date()
        let generator = Generator(seed: seed &+ UInt64(step) &* 0x9E37_79B9_7F4A_7C15)
        let p = confidence.detached()
        let model = distillation.denoiser.model
        func views() -> Tensor { images().resizedForModel(model) }
        func context() -> Tensor { model.embed(zip(items, labels).map { prompts(self.items[$0].environment)[$1] }) }
        func draw() -> NoiseDraw {
            let stratified = NoiseDraw.stratified(
                labels.count, for: distillation.denoiser, settings: settings, generator: generator)
            // The strata are in order; which image gets which is up to chance.
            return stratified.selected(Tensor.randperm(labels.count, generator: generator).to(device: model.device))
        }
        let passes = settings.guidanceScale == 1 ? 1 : 2
        var g: Tensor
        switch source {
        case .autograd:
            let losses = distillation.surrogate(
                views(), context: context(), confidence: confidence.to(dtype: model.workingDType), draw: draw())
            ledger.unetEvaluations += labels.count * passes
            ledger.vaePasses += labels.count
            return (settings.weight * losses.mean(), [seconds(since: start)])
        case .online:
            g = distillation.gradient(views(), context: context(), confidence: p, draw: draw())
            ledger.unetEvaluations += labels.count * passes * (settings.objective == .full ? 2 : 1)
            ledger.vaePasses += 2 * labels.count
        case .latentCurve(let table):
            let (latents, derivative) = try table.latents(items, at: p)
            let context = context()
            let draw = draw()
            g = inferenceMode {
                distillation.inParts(items.count) { part in
                    distillation.gradient(
                        latents[part], derivative: derivative[part], ends: [], context: context[part],
                        draw: draw.part(part))
                }
            }.cloned()
            ledger.unetEvaluations += labels.count * passes
        case .curve(let table):
            g = try table.gradient(items, at: p)
        }
        g = controlled(g.to(dtype: confidence.dtype), generator)
        return (settings.weight * (g * confidence).mean(), metrics(g, p) + [seconds(since: start)])
    }

    /// g, or what the control puts in its place.
    private func controlled(_ g: Tensor, _ generator: Generator) -> Tensor {
        switch settings.control {
        case .none: g
        case .constant: g.mean() * g.onesLike()
        case .shuffled: g.indexSelect(0, Tensor.randperm(g.count, generator: generator).to(device: g.device))
        }
    }

    private func metrics(_ g: Tensor, _ p: Tensor) -> [Metric] {
        [
            Metric("ld_g", g.mean().item()),
            Metric("ld_g_deviation", g.count > 1 ? g.variance([0]).sqrt().item() : 0),
            // LD fades as p comes near 1: this is its pull on the logits.
            Metric("ld_pull", (g.abs() * p * (1 - p)).mean().item()),
        ]
    }

    private func seconds(since start: Date) -> Metric { Metric("ld_seconds", -start.timeIntervalSinceNow, .total) }
}

extension Tensor {
    /// Images at the size and in the type that a model takes.
    func resizedForModel(_ model: LatentDiffusionModel) -> Tensor {
        let size = model.imageSize
        let sized = self.size(2) == size && self.size(3) == size ? self : resizedBilinear(size, size, antialias: true)
        return sized.to(device: model.device, dtype: model.workingDType)
    }
}
