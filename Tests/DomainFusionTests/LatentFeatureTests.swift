import Backbones
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

    /// An ImageNet network's features stand behind the model's own, each part with a classifier of its own.
    @Test(.enabled(if: (try? Backbones.named("tf_efficientnet_lite0").installedWeights()) != nil))
    func aBackboneHasASayBeside() throws {
        try withTemporaryFolder { folder in
            let name = "tf_efficientnet_lite0"
            let (own, alone) = (try features(folder), try features(folder) { $0.control = "backbone:\(name)" })
            let both = try features(folder) {
                $0.backbone = name
                $0.weight = 0.25
            }
            #expect(both.options.experts.map(\.width) == [own.options.width, alone.options.width])
            #expect(both.options.experts.allSatisfy { $0.weight == 0.25 } && both.options.fusion == .late)
            let row = try both.features(of: [images[0]])[0].scalars(Float.self)
            let parts = try [own, alone].flatMap { try $0.features(of: [images[0]])[0].scalars(Float.self) }
            #expect(row == parts)
        }
        for change in [{ $0.fusion = .early }, { $0.control = "shuffled" }] as [(inout LatentFeatureSettings) -> Void] {
            var settings = LatentFeatureSettings()
            settings.backbone = "resnet18"
            change(&settings)
            let error = #expect(throws: UserError.self) { try settings.validate(path: "features.ldm") }
            #expect(error?.message.hasPrefix("features.ldm.backbone: must be empty") == true)
        }
    }

    /// The coefficients where the gradient of ‖Xw + ȳ − y‖² + λ‖w‖² is zero.
    @Test func theProbeIsRidgeRegression() throws {
        let generator = Generator(seed: 3)
        let labels = (0..<40).map { $0 % 3 }
        let centres = Tensor.randn([3, 6], generator: generator)
        let features =
            centres.indexSelect(0, Tensor(labels)) * 2 + Tensor.randn([40, 6], generator: generator) * 0.3 + 5
        let constant = Tensor.concatenated([features, .full([40, 1], 2)], dimension: 1)
        let probe = RidgeProbe(constant, labels: labels, classes: 3, penalty: 4)
        let spread = constant.variance([0]).sqrt()
        let x = ((constant - constant.mean([0])) / (spread + spread.equal(0).to(dtype: .float32))).to(dtype: .float64)
        let y = Tensor(labels).oneHot(3).to(dtype: .float64)
        let residual = x.matmul(probe.weights) + y.mean([0]) - y
        let gradient = x.transposed(0, 1).matmul(residual) + 4 * probe.weights
        #expect(gradient.abs().max().item() < 1e-9)
        #expect(probe.accuracy(constant, labels: labels) == 1)
        #expect(probe.accuracy(constant, labels: labels.map { ($0 + 1) % 3 }) == 0)
    }

    /// Each domain is left out in turn; what separates the classes in all domains is found, what does so in one is not.
    @Test func theReportTellsWhatHoldsInAllDomains() throws {
        let generator = Generator(seed: 1)
        let (labels, environments) = ((0..<120).map { $0 % 2 }, (0..<120).map { $0 / 40 })
        let noise = Tensor.randn([120, 4], generator: generator) * 0.5
        let same = labels.map { Float($0) * 2 - 1 }
        // Its sign differs from domain to domain.
        let flipped = zip(same, environments).map { $1 == 1 ? -$0 : $0 }
        let report = try FeatureReport(
            domains: ["a", "b", "c"], labels: labels, environments: environments, classes: 2, blocks: ["all", "some"],
            times: [50, 450],
            features: { block, _ in noise + Tensor(block == "all" ? same : flipped, shape: [120, 1]) }, poll: {})
        #expect(
            report.rows.map(\.block) == ["all", "all", "some", "some"] && report.rows.map(\.time) == [50, 450, 50, 450])
        #expect(report.best?.block == "all" && report.images == 120)
        #expect(report.rows[0].meanOutside > 0.95 && report.rows[0].inside > 0.95)
        #expect(report.rows[2].outside[1] < 0.2, "\(report.rows[2])")
        #expect(report.chart(title: "t").series.map(\.name) == ["all", "some"])
        #expect(try JSONValue(encoding: report).decoded(as: FeatureReport.self) == report)
    }
}
