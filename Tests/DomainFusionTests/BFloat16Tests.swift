import Diffusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing
import Torch

@testable import DomainFusion

/// What the embedded model gives in bfloat16 beside what it gives in float32: the errors that the guide states.
@Suite(.enabled(if: Machine.hasBFloat16 && InstalledFiles.here.find(InstalledFiles.vocabulary) != nil))
struct BFloat16Tests {
    private static let prompt = "a cartoon emoji of a lion"
    private let images: [RGBImage]

    init() {
        images = (0..<2).map { number in
            var image = RGBImage(width: 64, height: 64, fill: RGB(255, 255, 255))
            for y in 0..<64 {
                for x in 0..<64 {
                    let distance = (x - 30 - number) * (x - 30 - number) + (y - 33) * (y - 33)
                    guard distance < 600 else { continue }
                    let color = distance < 150 ? [250, 200, 40] : [UInt8(90 + 100 * number), UInt8(3 * y), 60]
                    for channel in 0..<3 { image.pixels[3 * (64 * y + x) + channel] = color[channel] }
                }
            }
            return image
        }
    }

    private func model(_ precision: ModelPrecision, vae: DType? = nil) throws -> LatentDiffusionModel {
        let path = try #require(InstalledFiles.here.find(InstalledFiles.embeddedModel))
        return try LatentDiffusionModel(path: path, dtype: precision.dtype(on: .cpu), vaeDType: vae)
    }

    /// What both precisions give, each with a store of its own.
    private func both<Result>(
        vae: DType? = nil, _ body: (LatentDiffusionModel, ContentStore) throws -> Result
    ) throws -> (float32: Result, bfloat16: Result) {
        func result(_ precision: ModelPrecision) throws -> Result {
            try withTemporaryFolder { try body(model(precision, vae: vae), ContentStore($0)) }
        }
        return try (result(.float32), result(.bfloat16))
    }

    private func relativeError(_ found: Tensor, _ exact: Tensor) -> Double {
        let (found, exact) = (found.to(dtype: .float64), exact.to(dtype: .float64))
        return ((found - exact).norm() / exact.norm()).item()
    }

    /// Of latent distillation's gradient, as a share of its size.
    @Test func curves() throws {
        let curves = try both(vae: .float32) { model, store in
            var settings = LatentDistillationSettings()
            settings.nodes = 8
            let library = try DistillationLibrary(
                LatentDistillation(FrozenDenoiser(model), settings), store: store)
            var ledger = Ledger()
            return try images.map { try Tensor(library.curve($0, prompt: Self.prompt, ledger: &ledger).values) }
        }
        for (exact, rough) in zip(curves.float32, curves.bfloat16) {
            #expect(relativeError(rough, exact) < 0.02)
        }
    }

    @Test func candidates() throws {
        let made = try both { model, _ in
            let inputs = Tensor.concatenated(images.map { $0.modelInput(model) })
            return try model.imageToImage(
                inputs, prompts: images.map { _ in Self.prompt },
                settings: GenerationSettings(steps: 20, guidanceScale: 7.5, strength: 0.7), seeds: [0, 1])
        }
        let difference = (made.float32 - made.bfloat16).abs()
        #expect(difference.mean().item() < 2.0 / 255)
    }

    @Test func features() throws {
        let found = try both { model, store in
            try LatentFeatures(LatentFeatureSettings(), model: model, store: store).features(of: images)
        }
        #expect(relativeError(found.bfloat16, found.float32) < 0.02)
    }

    /// Taken apart in the latent space.
    @Test func stylesAndContents() throws {
        let parts = try both { model, _ in
            LatentAdaINSpace(model.vae, model: "").decompose(.concatenated(images.map { $0.modelInput(model) }))
        }
        #expect(relativeError(parts.bfloat16.style, parts.float32.style) < 0.01)
        #expect(relativeError(parts.bfloat16.content, parts.float32.content) < 0.02)
    }
}
