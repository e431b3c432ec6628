import Foundation
import Foundations
import Pixels
import Testing
import Torch

@testable import Diffusion
@testable import DomainFusion

/// Pooled activations of a frozen U-Net, by the tiny model of the diffusion tests.
struct LatentFeatureTests {
    private let model: LatentDiffusionModel
    private let images: [RGBImage]

    init() throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        model = try LatentDiffusionModel(path: tests.appendingPathComponent("DiffusionTests/Fixtures/sd1").path)
        images = (0..<3).map { index in
            var image = RGBImage(width: 64, height: 64, fill: RGB(200, UInt8(60 * index), 30))
            for place in image.pixels.indices where place % (5 + index) == 0 {
                image.pixels[place] = UInt8(place % 251)
            }
            return image
        }
    }

    private func relativeError(_ a: Tensor, _ expected: [Float]) -> Double {
        let b = Tensor(expected, shape: a.shape)
        return ((a - b).norm() / b.norm()).item()
    }

    private func features(
        _ store: String, _ change: (inout LatentFeatureSettings) -> Void = { _ in }
    ) throws -> LatentFeatures {
        var settings = LatentFeatureSettings()
        settings.times = [50, 450]
        change(&settings)
        return try LatentFeatures(settings, model: model, store: ContentStore(store))
    }

    /// For each time the channels' means, then their largest values, of the latents noised by the scheduler's ᾱ.
    @Test func areWhatTheySay() throws {
        try withTemporaryFolder { folder in
            let found = try features(folder).features(of: images)
            let schedule = NoiseSchedule(model.schedulerConfig)
            for (row, image) in images.enumerated() {
                let expected = inferenceMode {
                    let latents = model.vae.encode(2 * image.modelInput(model) - 1)
                    let seed = UInt64(SHA256Sum.of("\(SHA256Sum.of(image)) 0").prefix(16), radix: 16) ?? 0
                    let noise = Tensor.randn(latents.shape, generator: Generator(seed: seed))
                    let parts = [50, 450].flatMap { time -> [Tensor] in
                        let alpha = Double(schedule.alphasCumprod[time])
                        let noisy = alpha.squareRoot() * latents + (1 - alpha).squareRoot() * noise
                        let maps = model.unet.maps(
                            of: [.up(0)], noisy, timesteps: Tensor([time]), context: model.embed([""]))[.up(0)]
                        return [maps?.mean([2, 3]), maps?.max([2, 3])].compactMap { $0?[0] }
                    }
                    return Tensor.concatenated(parts)
                }
                #expect(found[row].shape == expected.shape)
                #expect(relativeError(found[row], expected.scalars(Float.self)) < 1e-4)
            }
        }
    }

    @Test func areWorkedOutOnce() throws {
        try withTemporaryFolder { folder in
            let first = try features(folder).features(of: images)
            let written = try files(in: folder)
            #expect(written.keys.filter { $0.hasSuffix(".safetensors") }.count == 3)
            // In another order, alone, with other pooling and dropout: the same numbers of the same files.
            let again = try features(folder) { $0.dropout = 0 }.features(of: images.reversed())
            #expect(again[2].scalars(Float.self) == first[0].scalars(Float.self))
            let mean = try features(folder) { $0.pooling = .mean }.features(of: [images[1]])
            let width = model.unet.channels(of: .up(0))
            #expect(mean[0].scalars(Float.self)[..<width] == first[1].scalars(Float.self)[..<width])
            #expect(try files(in: folder).count == written.count)
            // Other times, block or seed: others.
            for change in [{ $0.times = [51, 450] }, { $0.block = "down0" }, { $0.seed = 1 }]
                as [(inout LatentFeatureSettings) -> Void]
            {
                let other = try features(folder, change).features(of: images)
                #expect(other.shape != first.shape || relativeError(other, first.scalars(Float.self)) > 1e-6)
            }
        }
    }

    @Test func controlsTakeTheirPlace() throws {
        try withTemporaryFolder { folder in
            let own = try features(folder).features(of: images)
            let random = try features(folder) { $0.control = "random-unet" }.features(of: images)
            #expect(random.shape == own.shape && relativeError(random, own.scalars(Float.self)) > 0.1)
            #expect(
                try features(folder) { $0.control = "random-unet" }.features(of: [images[0]])[0].scalars(Float.self)
                    == random[0].scalars(Float.self))
            let latents = try features(folder) { $0.control = "vae-latent" }
            let side = model.imageSize / model.vae.downsampling
            #expect(latents.options.width == model.vae.latentChannels * side * side)
            let expected = inferenceMode { model.vae.encode(2 * images[0].modelInput(model) - 1).flattened(from: 0) }
            #expect(relativeError(try latents.features(of: images)[0], expected.scalars(Float.self)) < 1e-5)
            #expect(try features(folder) { $0.control = "shuffled" }.assignment == .shuffled(seed: 0))
            #expect(throws: UserError.self) { try features(folder) { $0.control = "backbone:resnet101" } }
        }
    }
}
