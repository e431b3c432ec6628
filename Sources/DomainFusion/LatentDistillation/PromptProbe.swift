import Diffusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Torch

/// LD's gradients of one image under the prompt of its class, of another class, and under no prompt.
public struct PromptSample: Sendable, Equatable {
    /// The image's path in the data set.
    public let image: String
    /// The image's class.
    public let label: String
    /// The class of the wrong prompt.
    public let wrongLabel: String
    /// g without guidance, by confidence and draw: at the probe's points, then at a curve's nodes.
    public let empty: [[Double]]
    /// g without guidance under the prompt of the image's class, by confidence and draw: as ``empty``.
    public let right: [[Double]]
    /// g without guidance under the wrong prompt, at the probe's points.
    public let wrong: [[Double]]

    /// What was measured of one image.
    public init(
        image: String, label: String, wrongLabel: String, empty: [[Double]], right: [[Double]], wrong: [[Double]]
    ) {
        self.image = image
        self.label = label
        self.wrongLabel = wrongLabel
        self.empty = empty
        self.right = right
        self.wrong = wrong
    }
}

/// Asks a latent diffusion model about images under right and wrong prompts: the material of a ``PromptReport``.
///
/// The guided prediction is linear in the guidance, and so is g: what is measured without guidance and without a prompt
/// gives g at every guidance.
public struct PromptProbe {
    /// The confidences at which prompts are compared.
    public let points: [Double]
    private let classes: [String]
    private let distillation: LatentDistillation
    private let contexts: Tensor
    private let empty: Tensor

    /// A probe of a model with the names that prompts need.
    /// - Parameters:
    ///   - classes: names for the prompts, in the order of labels; at least two.
    ///   - settings: prompt, draws (an even number), nodes, time range, weight and scaling.
    /// - Throws: `UserError` for settings or points out of range.
    public init(
        _ model: LatentDiffusionModel, classes: [String], settings: LatentDistillationSettings, points: [Double]
    ) throws {
        try settings.validate(path: "distillation")
        guard settings.draws % 2 == 0 else {
            throw UserError("draws: must be even, so that two halves can be compared")
        }
        guard classes.count > 1 else { throw UserError("a wrong prompt needs at least two classes") }
        guard !points.isEmpty, points.allSatisfy((0...1).contains) else { throw UserError("points: must be in 0…1") }
        var settings = settings
        settings.guidanceScale = 1
        settings.objective = .distillation
        distillation = LatentDistillation(FrozenDenoiser(model), settings)
        self.classes = classes
        self.points = points
        contexts = model.embed(classes.map { Caption.prompt(settings.prompt, class: $0) })
        empty = model.embed([""])[0]
    }

    /// U-Net evaluations for one image.
    public var evaluationsPerImage: Int {
        distillation.settings.draws * (3 * points.count + 2 * distillation.settings.nodes)
    }

    /// Samples of `count` images, spread over domains and classes; the wrong class of each is drawn from the others.
    /// - Parameters:
    ///   - seed: of the draw of images, wrong classes and noise.
    ///   - progress: told before each image how many are done, of all; what it throws ends the work.
    /// - Throws: a one-line error for an image that cannot be read.
    public func samples(
        of sources: [AugmentationSource], count: Int, seed: Int, progress: (Int, Int) throws -> Void = { _, _ in }
    ) throws -> [PromptSample] {
        let drawn = sources.drawn(budget: count, seed: seed, draw: 0)
        return try drawn.enumerated().map { done, index in
            try progress(done, drawn.count)
            let source = sources[index]
            let hash = SHA256Sum.of("\(seed)/\(source.name)")
            let other = (UInt64(hash.suffix(8), radix: 16) ?? 0) % UInt64(classes.count - 1)
            let wrong = (source.label + 1 + Int(other)) % classes.count
            return try sample(
                source.image(), name: source.name, label: source.label, wrong: wrong,
                seed: UInt64(hash.prefix(16), radix: 16) ?? 0)
        }
    }

    private func sample(_ image: RGBImage, name: String, label: Int, wrong: Int, seed: UInt64) throws -> PromptSample {
        let input = image.modelInput(distillation.denoiser.model)[0]
        let draw = distillation.draws(seed: seed)
        let nodes = ChebyshevGrid(distillation.settings.nodes).nodes
        func table(_ context: Tensor, _ confidences: [Double]) throws -> [[Double]] {
            try withTorchErrors {
                let values = distillation.gradients(input, context: context, at: confidences, draw: draw)
                return confidences.indices.map { values[$0].scalars(Double.self) }
            }
        }
        return PromptSample(
            image: name, label: classes[label], wrongLabel: classes[wrong], empty: try table(empty, points + nodes),
            right: try table(contexts[label], points + nodes), wrong: try table(contexts[wrong], points))
    }
}
