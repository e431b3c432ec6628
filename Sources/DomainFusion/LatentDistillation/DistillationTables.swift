import Diffusion
import DomainGeneralization
import Foundation
import Foundations
import Torch

/// G(p) of many items at common nodes.
struct LDCurveTable {
    let grid: ChebyshevGrid
    /// [items, nodes]
    let values: Tensor
    let rows: ItemRows

    /// g [N] of items at their confidences [N].
    func gradient(_ items: [Int], at confidence: Tensor) throws -> Tensor {
        let indices = try rows(items).to(device: values.device)
        return grid.interpolate(values.indexSelect(0, indices), at: confidence)
    }
}

/// z(p) of many items at common nodes: latents and their derivative by interpolation, no VAE in the loop.
struct LatentCurveTable {
    let grid: ChebyshevGrid
    /// [items, nodes, C, h, w], and likewise the derivatives in p; on the CPU, since they may be many.
    let latents, derivatives: Tensor
    let rows: ItemRows

    func latents(_ items: [Int], at confidence: Tensor) throws -> (Tensor, Tensor) {
        let indices = try rows(items)
        let weights = grid.weights(at: confidence).to(dtype: latents.dtype).reshaped(items.count, -1, 1, 1, 1)
        func at(_ table: Tensor) -> Tensor {
            (table.indexSelect(0, indices).to(device: confidence.device) * weights).sum([1])
        }
        return (at(latents), at(derivatives))
    }
}

/// Computes what LD's curve modes look up, through the store.
struct DistillationTables {
    let distillation: LatentDistillation
    let context: AlgorithmContext
    let prompts: ImagePrompts
    let store: ContentStore

    private var model: LatentDiffusionModel { distillation.denoiser.model }

    /// The curves of all training items.
    func curves(ledger: inout Ledger) throws -> LDCurveTable {
        let library = try DistillationLibrary(distillation, store: store)
        let items = context.trainingItems
        let values = try library.values("LD curves", context: context) { entry in
            try library.curve(
                try context.images.image(entry), prompt: prompts(entry.environment)[entry.label], ledger: &ledger
            ).values
        }
        return LDCurveTable(
            grid: ChebyshevGrid(distillation.settings.nodes),
            values: Tensor(
                values.flatMap { $0 }, shape: [items.count, distillation.settings.nodes], device: context.device),
            rows: ItemRows(items))
    }

    /// The latents of all training items at the nodes; cheap, so not stored.
    func latentCurves(ledger: inout Ledger) throws -> LatentCurveTable {
        let grid = ChebyshevGrid(distillation.settings.nodes)
        let nodes = Tensor(grid.nodes.map(Float.init), device: model.device)
        let items = context.trainingItems
        let side = model.imageSize / model.vae.downsampling
        let shape = [items.count, grid.nodes.count, model.vae.latentChannels, side, side]
        return try withTorchErrors {
            let latents = Tensor.zeros(shape, dtype: model.workingDType)
            let derivatives = latents.zerosLike()
            try noGrad {
                for (row, item) in items.enumerated() {
                    try Interruption.poll()
                    let image = try context.images.image(context.dataset.items[item]).modelInput(model)
                    let (value, derivative, _) = inferenceMode {
                        distillation.trajectoryInParts(
                            image.expanded([grid.nodes.count, -1, -1, -1]), confidence: nodes)
                    }
                    latents[row].copy_(value)
                    derivatives[row].copy_(derivative)
                    ledger.vaePasses += 2 * grid.nodes.count
                }
            }
            return LatentCurveTable(
                grid: grid, latents: latents, derivatives: derivatives,
                rows: ItemRows(items))
        }
    }
}
