import Foundation
import Testing
import Torch

@testable import Diffusion

@Suite struct UNetTrainerTests {
    /// Two kinds of latents, all 1 and all −1, called "2 3 kind 4 4 …" and "2 3 kind′ 4 4 …".
    private func trainer(kindWeight: Double, steps: Int = 80, batchSize: Int = 8) -> UNetTrainer {
        var unet = UNet2DConditionConfig()
        unet.sampleSize = 4
        unet.blockOutChannels = [8, 16]
        unet.downAttention = [false, true]
        unet.upAttention = [true, false]
        unet.layersPerBlock = [1, 1]
        unet.transformerLayers = [1, 1]
        unet.heads = [2, 2]
        unet.normGroups = 4
        unet.crossAttentionWidth = 16
        var text = CLIPTextConfig()
        text.vocabularySize = 7
        text.width = 16
        text.feedForwardWidth = 32
        text.layers = 2
        text.heads = 2
        text.length = 12
        let kinds = (0..<8).map { Int64($0 % 2) }
        let signs = Tensor(kinds.map { $0 == 0 ? 1 : -1 as Float }, shape: [8, 1, 1, 1])
        var options = UNetTrainingOptions()
        options.steps = steps
        options.batchSize = batchSize
        options.learningRate = 4e-3
        options.warmup = 10
        options.kindWeight = kindWeight
        options.averageDecay = 0.9
        let end = [Int64](repeating: 4, count: 8)
        return UNetTrainer(
            UNet2DConditionModel(ParameterStore(seed: 0), unet), CLIPTextModel(ParameterStore(seed: 1), text),
            data: CaptionedLatents(
                latents: signs.expanded([8, 4, 4, 4]).contiguous(), kinds: kinds,
                choices: kinds.map { [Int32($0) + 1] }, captions: ["", "one", "other"]),
            tokens: Tensor([0, 4, 4, 4] + end + [0, 2, 3, 5] + end + [0, 2, 3, 6] + end, shape: [3, 12]),
            alphasCumprod: (0..<100).map { Float(1 - Double($0 + 1) / 101) }, isVelocity: true, options: options)
    }

    @Test func theCaptionReachesItsLastStatesAndThePrediction() throws {
        let trainer = trainer(kindWeight: 0.1)
        let first = try trainer.advance().values
        #expect(first.map(\.name) == ["loss", "kind_loss", "gradient"])
        // Two kinds by a new head: about log 2.
        #expect(abs(first[1].value - log(2)) < 0.3)
        var last = first
        for _ in 1..<80 { last = try trainer.advance().values }
        #expect(last[1].value < 0.05)
        let latents = Tensor.ones([16, 4, 4, 4])
        let right = trainer.validationLoss(latents, captions: [Int64](repeating: 1, count: 16))
        let wrong = trainer.validationLoss(latents, captions: [Int64](repeating: 2, count: 16))
        #expect(right < 0.8 * wrong)
    }

    /// Density ∝ tᵇ on [0, 1): mean (b + 1)/(b + 2), and t below ½ with probability ½ᵇ⁺¹.
    @Test(arguments: [0.0, 1, 2])
    func timestepsFollowTheirDensity(bias: Double) {
        let times = trainer(kindWeight: 0).stratifiedTimesteps(4000, Generator(seed: 5), bias: bias)
        let steps = times.scalars(Int.self)
        #expect(steps.allSatisfy { (0..<100).contains($0) })
        // A step stands for its hundredth of the schedule: half of one on average.
        let mean = (Double(steps.reduce(0, +)) / 4000 + 0.5) / 100
        #expect(abs(mean - (bias + 1) / (bias + 2)) < 0.002)
        #expect(abs(Double(steps.filter { $0 < 50 }.count) / 4000 - pow(0.5, bias + 1)) < 0.002)
    }

    @Test func resumesToTheSameNumbers() throws {
        let folder = NSTemporaryDirectory() + "unet-trainer-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let whole = trainer(kindWeight: 0.1)
        for _ in 0..<3 { _ = try whole.advance() }
        try whole.save(to: "\(folder)/checkpoint.safetensors")
        let expected = try (0..<3).map { _ in try whole.advance().values.map(\.value) }

        let resumed = trainer(kindWeight: 0.1)
        try resumed.restore(from: "\(folder)/checkpoint.safetensors")
        #expect(resumed.step == 3)
        for values in expected { #expect(try resumed.advance().values.map(\.value) == values) }

        var state = try StateDict(safetensors: "\(folder)/checkpoint.safetensors")
        for step in [Tensor([Float.nan]), Tensor([1e300]), Tensor([Int64(-5)]), Tensor([Int64(1), 2])] {
            state["step"] = step
            try state.write(safetensors: "\(folder)/odd.safetensors")
            #expect { try resumed.restore(from: "\(folder)/odd.safetensors") } throws: {
                "\($0)".contains("odd.safetensors: not a training's state")
            }
        }
    }

    /// A batch in parts at the same time is the same batch.
    @Test func threadsChangeOnlyRounding() throws {
        let threads = Machine.threads
        defer { Machine.threads = threads }
        let runs = try [1, 3].map { count in
            Machine.threads = count
            let trainer = trainer(kindWeight: 0.1, batchSize: 56)
            let values = try (0..<5).map { _ in try trainer.advance().values.map(\.value) }
            #expect(Machine.threads == count)
            return values.joined()
        }
        for (a, b) in zip(runs[0], runs[1]) { #expect(abs(a - b) < 1e-4 * abs(b)) }
    }

    @Test func withoutWeightTheKindsAreLeftAlone() throws {
        let trainer = trainer(kindWeight: 0, steps: 20)
        var last = 0.0
        for _ in 0..<20 { last = try trainer.advance().values[1].value }
        #expect(last > 0.3)
    }
}
