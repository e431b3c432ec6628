import Backbones
import Diffusion
import DomainGeneralization
import Foundation
import Foundations
import Torch

/// Latent distillation as a term of any algorithm's loss.
public final class LatentDistillationTerm: LossTerm {
    /// The settings of the term.
    public let settings: LatentDistillationSettings
    private let distillation: LatentDistillation
    private let source: Source
    private let prompts: ImagePrompts
    private let items: [ImageFolder.Item]
    private let seed: UInt64
    private let ledger: RunLedger
    /// What gives a mask of confidences.
    private var classifier: Classifier?
    /// The classifier's normalisation, [1, 3, 1, 1].
    private let mean, deviation: Tensor

    /// Where g comes from.
    private enum Source {
        case autograd
        case online
        case latentCurve(LatentCurveTable)
        case curve(LDCurveTable)
    }

    /// The term of a run; the curve modes' tables are worked out or found in the store.
    /// - Parameter diffusion: its ledger counts what the tables of the curve modes take.
    /// - Throws: `UserError` for a model in a precision that does not do; what reading images or the store throws;
    ///   `Interruption` where a signal ends the work on the tables.
    public init(_ settings: LatentDistillationSettings, _ diffusion: RunDiffusionModel) throws {
        let context = diffusion.context
        self.settings = settings
        ledger = diffusion.ledger
        try LatentDistillation.check(diffusion.model, settings)
        distillation = LatentDistillation(FrozenDenoiser(diffusion.model), settings)
        mean = Tensor(context.normalization.mean, shape: [1, 3, 1, 1], device: context.device)
        deviation = Tensor(context.normalization.deviation, shape: [1, 3, 1, 1], device: context.device)
        prompts = try ImagePrompts(settings.prompt, styles: diffusion.styles, context: context)
        items = context.dataset.items
        seed = context.ownSeed(UInt64(bitPattern: Int64(seedHash(.int(context.seed), "latent distillation"))))
        let tables = DistillationTables(
            distillation: distillation, context: context, prompts: prompts, store: diffusion.store)
        source =
            switch settings.mode {
            case .off, .autograd: .autograd
            case .online: .online
            case .latentCurve: .latentCurve(try ledger.counting { try tables.latentCurves(ledger: &$0) })
            case .curve: .curve(try ledger.counting { try tables.curves(ledger: &$0) })
            }
    }

    /// Takes the network that gives the mask, where the settings ask for one.
    /// - Throws: `UserError` for one that has none.
    public func begin(with classifier: Classifier) throws {
        guard settings.channel == .mask else { return }
        guard classifier.backbone is any PooledBackbone else {
            throw UserError(
                "channel: \(classifier.description.name)'s features are no mean of maps, so that it has no confidence at a "
                    + "place; set channel to scalar, or take a ResNet, RegNetY or EfficientNet")
        }
        self.classifier = classifier
    }

    /// The term `λ·mean(g·p)` and what is logged of it.
    /// - Throws: `UserError` for an item that the run does not train on.
    public func loss(_ images: ClassifiedImages, step: Int) throws -> (loss: Tensor, metrics: [Metric]) {
        let confidence = images.confidence
        let (loss, metrics) = try loss(images, confidence: confidence, step: step)
        try ledger.finish(step: step)
        return (
            loss, metrics + [Metric("confidence", confidence.mean().item())] + ledger.preparation(.curves, step: step)
        )
    }

    private func loss(
        _ images: ClassifiedImages, confidence: Tensor, step: Int
    ) throws -> (loss: Tensor, metrics: [Metric]) {
        let start = Date()
        let items = images.items
        let labels = images.labels.scalars(Int.self)
        let generator = Generator(seed: seed &+ UInt64(step) &* 0x9E37_79B9_7F4A_7C15)
        let p = confidence.detached()
        let model = distillation.denoiser.model
        func views() -> Tensor {
            noGrad { (images.images * deviation + mean).clamp(min: 0, max: 1) }.resizedForModel(model)
        }
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
            let confidence = classifier?.confidenceMask(images, size: model.imageSize) ?? confidence
            let losses = distillation.surrogate(
                views(), context: context(), confidence: confidence.to(dtype: model.workingDType), draw: draw())
            ledger.counts.unetEvaluations += labels.count * passes
            ledger.counts.vaePasses += labels.count
            return (settings.weight * losses.mean(), [seconds(since: start)])
        case .online:
            g = distillation.gradient(views(), context: context(), confidence: p, draw: draw())
            ledger.counts.unetEvaluations += labels.count * passes * (settings.objective == .full ? 2 : 1)
            ledger.counts.vaePasses += 2 * labels.count
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
            ledger.counts.unetEvaluations += labels.count * passes
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

extension Classifier {
    /// The probability of the true label at each place [N, 1, size, size], by another pass through the network; nil for one whose
    /// features are no mean of maps.
    func confidenceMask(_ images: ClassifiedImages, size: Int) -> Tensor? {
        logitMaps(images.inputs).map { placeConfidence($0, labels: images.labels, size: size) }
    }
}

/// The probability of the true label at each place, enlarged: [N, 1, size, size].
/// - Parameters:
///   - logits: of each place, [N, classes, h, w].
///   - labels: class indices [N].
func placeConfidence(_ logits: Tensor, labels: Tensor, size: Int) -> Tensor {
    let index = labels.reshaped(-1, 1, 1, 1).expanded([-1, 1, logits.size(2), logits.size(3)])
    return logits.softmax(1).gathered(1, index).resizedBilinear(size, size)
}

extension Tensor {
    /// Images at the size and in the type that a model takes.
    func resizedForModel(_ model: LatentDiffusionModel) -> Tensor {
        let size = model.imageSize
        let sized = self.size(2) == size && self.size(3) == size ? self : resizedBilinear(size, size, antialias: true)
        return sized.to(device: model.device, dtype: model.workingDType)
    }
}
