import Diffusion
import DomainGeneralization
import Foundation
import Foundations
import Logging
import Pixels
import Torch

/// Computes LD curves and LDM posteriors of images once and keeps them in the store.
public final class DistillationLibrary {
    /// What curves and posteriors are computed with.
    public let distillation: LatentDistillation
    private let store: ContentStore
    private let fingerprint: String

    /// A library that keeps its results in a store.
    /// - Throws: `UserError` for a model in a precision that does not do; what reading the model's files for their hash throws.
    public init(_ distillation: LatentDistillation, store: ContentStore) throws {
        try LatentDistillation.check(distillation.denoiser.model, distillation.settings)
        self.distillation = distillation
        self.store = store
        fingerprint = try distillation.denoiser.model.fingerprint()
    }

    private var model: LatentDiffusionModel { distillation.denoiser.model }

    /// What is computed of the same inputs; to be raised when that changes.
    private static let version = 2

    /// The seed of an image's draws, the same under every prompt, guidance and weight: so that what differs between two curves
    /// is not the noise.
    private func seed(of imageHash: String) -> UInt64 {
        UInt64(SHA256Sum.of("\(imageHash) \(distillation.settings.seed)").prefix(16), radix: 16) ?? 0
    }

    /// The curve of an image under a prompt.
    public func curve(_ image: RGBImage, prompt: String, ledger: inout Ledger) throws -> LDCurve {
        let settings = distillation.settings
        let imageHash = SHA256Sum.of(image)
        let key = StoreKey(
            .curve,
            [
                "ldm": .string(fingerprint), "image": .string(imageHash), "prompt": .string(prompt),
                "guidance": .double(settings.guidanceScale), "low": .double(settings.lowestTime),
                "high": .double(settings.highestTime), "weight": .string(settings.timeWeight.rawValue),
                "scaling": .string(settings.scaling.rawValue), "objective": .string(settings.objective.rawValue),
                "nodes": .int(settings.nodes), "draws": .int(settings.draws), "seed": .int(settings.seed),
                "version": .int(Self.version),
            ])
        let state = try store.tensors(for: key, ledger: &ledger) { ledger in
            try ledger.time("curves") { ledger in
                ledger.unetEvaluations += distillation.evaluationsPerCurve
                ledger.vaePasses += 2 * settings.nodes
                let curve = try withTorchErrors {
                    distillation.curve(
                        image.modelInput(model)[0], context: model.embed([prompt])[0], seed: seed(of: imageHash))
                }
                guard curve.values.allSatisfy(\.isFinite) else {
                    throw UserError(
                        "the diffusion model gave numbers that are not finite (prompt \"\(prompt)\"); take less guidance, or "
                            + "float32")
                }
                var state = StateDict()
                state["values"] = Tensor(curve.values)
                state["deviations"] = Tensor(curve.deviations)
                return state
            }
        }
        return LDCurve(values: state["values"]?.scalars() ?? [], deviations: state["deviations"]?.scalars() ?? [])
    }

    /// The LDM's errors for an image under prompts, one for each class.
    public func posterior(_ image: RGBImage, prompts: [String], ledger: inout Ledger) throws -> LDMPosterior {
        let settings = distillation.settings
        let imageHash = SHA256Sum.of(image)
        let key = StoreKey(
            .posterior,
            [
                "ldm": .string(fingerprint), "image": .string(imageHash),
                "prompts": .array(prompts.map(JSONValue.string)), "low": .double(settings.lowestTime),
                "high": .double(settings.highestTime), "weight": .string(settings.timeWeight.rawValue),
                "draws": .int(settings.draws), "seed": .int(settings.seed), "version": .int(Self.version),
            ])
        let state = try store.tensors(for: key, ledger: &ledger) { ledger in
            try ledger.time("posteriors") { ledger in
                ledger.unetEvaluations += prompts.count * settings.draws
                ledger.vaePasses += 1
                let posterior = try withTorchErrors {
                    distillation.posterior(
                        image.modelInput(model)[0], contexts: model.embed(prompts), seed: seed(of: imageHash))
                }
                var state = StateDict()
                state["errors"] = Tensor(posterior.errors)
                return state
            }
        }
        return LDMPosterior(errors: state["errors"]?.scalars() ?? [])
    }

    /// A value of each training item, in the items' order. A signal ends the work between two images; those done are in
    /// the store.
    ///
    /// They are worked out in an order of this process's own: of several runs that share a store, each asks about other images
    /// than the rest, so that they share the work instead of doing it side by side. No value depends on the order. Processes
    /// that train together work out a share each.
    func values<Value: Codable>(
        _ what: String, context: AlgorithmContext, of value: (ImageFolder.Item) throws -> Value
    ) throws -> [Value] {
        let items = context.trainingItems
        let own = context.group?.share(of: items.count) ?? items.indices
        var values: [Int: Value] = [:]
        for (done, index) in own.shuffled().enumerated() {
            try Interruption.poll()
            values[index] = try value(context.dataset.items[items[index]])
            if (done + 1) % 200 == 0 || done + 1 == own.count {
                context.logger.info("\(what): \(done + 1) of \(own.count)")
            }
        }
        let row = own.compactMap { values[$0] }
        return try context.group.map { Array(try $0.gathered(row).joined()) } ?? row
    }
}

extension RGBImage {
    /// The image as a model takes it: [1, 3, size, size] in [0, 1].
    func modelInput(_ model: LatentDiffusionModel) -> Tensor {
        let size = model.imageSize
        let sized = width == size && height == size ? self : resized(width: size, height: size)
        return Tensor.images([sized]).to(device: model.device, dtype: model.workingDType)
    }
}
