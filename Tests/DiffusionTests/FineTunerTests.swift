import Foundation
import Foundations
import Testing
import Torch

@testable import Diffusion

/// Fine-tuning against PyTorch with peft (scripts/fixtures/lora.py), and with itself.
@Suite struct FineTunerTests {
    private let expected: StateDict
    private let lora: String
    private let prompts = ["a photo of a dog", "the art of a cartoon"]

    init() throws {
        lora = try fixture("lora")
        expected = try StateDict(safetensors: "\(lora)/reference.safetensors")
    }

    private func value(_ name: String) throws -> Double { try #require(expected[name]).item() }

    private func tuner(
        kind: String = "sd1", dtype: DType = .float32, _ change: (inout FineTuningOptions) -> Void
    ) throws -> FineTuner {
        var options = FineTuningOptions()
        options.steps = 100
        options.batchSize = 2
        options.learningRate = 1e-3
        change(&options)
        let size = options.batchSize
        return try FineTuner(LatentDiffusionModel(path: fixture(kind), dtype: dtype), options: options) { number in
            let images = Tensor.rand([size, 3, 16, 16], generator: Generator(seed: 100 + UInt64(number)))
            return CaptionedBatch(images: images, captions: (0..<size).map { "the dog \($0 + number)" })
        }
    }

    private func batch() throws -> DenoisingBatch {
        DenoisingBatch(
            latents: try #require(expected["batch.latents"]), captions: prompts,
            timesteps: try #require(expected["batch.timesteps"]), epsilon: try #require(expected["batch.epsilon"]))
    }

    private func check(_ tuner: FineTuner, against name: String) throws {
        let batch = try batch()
        for step in 0..<2 {
            let values = try tuner.update { _ in batch }.values
            #expect(abs(values[0].value / (try value("\(name).\(step).loss")) - 1) < 1e-5)
            #expect(abs(values[1].value / (try value("\(name).\(step).gradient")) - 1) < 1e-4)
        }
    }

    @Test(arguments: [false, true])
    func adaptersAreUpdatedAsByPeft(recomputes: Bool) throws {
        let tuner = try tuner {
            ($0.loraRank, $0.loraAlpha, $0.trainsTextEncoder, $0.recomputesLayers) = (4, 6, true, recomputes)
        }
        for layer in try LoRAFile(path: lora).layers {
            let (name, part) = layer.part == .unet ? (layer.name, 0) : ("text_model." + layer.name, 1)
            noGrad {
                tuner.trained[part].store["\(name).lora_A.weight"]?.detached().copy_(layer.down)
                tuner.trained[part].store["\(name).lora_B.weight"]?.detached().copy_(layer.up)
            }
        }
        let frozen: [Float] = tuner.model.unet.store.parameters[3].scalars()
        try check(tuner, against: "lora")
        var count = 0
        for (part, infix) in [("unet", "lora"), ("text_encoder", "lora_linear_layer")] {
            for (half, letter) in [("down", "A"), ("up", "B")] {
                for entry in tuner.trained[part == "unet" ? 0 : 1].store.entries {
                    let suffix = ".lora_\(letter).weight"
                    guard entry.name.hasSuffix(suffix) else { continue }
                    let name = entry.name.dropLast(suffix.count).replacing("text_model.", with: "")
                    let wanted = try #require(expected["lora.after.\(part).\(name).\(infix).\(half).weight"])
                    #expect(relativeError(entry.tensor.detached(), wanted) < 1e-4, "\(entry.name)")
                    count += 1
                }
            }
        }
        #expect(count == 80)
        #expect(tuner.model.unet.store.parameters[3].scalars() == frozen)
    }

    @Test(arguments: [false, true])
    func theUNetIsUpdatedAsByPyTorch(recomputes: Bool) throws {
        let tuner = try tuner { ($0.minSNR, $0.recomputesLayers) = (5, recomputes) }
        try check(tuner, against: "full")
        let names = expected.names.filter { $0.hasPrefix("full.after.") }
        #expect(names.count == 5)
        for name in names {
            let weight = try #require(tuner.model.unet.store[String(name.dropFirst("full.after.".count))])
            #expect(relativeError(weight.detached(), try #require(expected[name])) < 1e-4, "\(name)")
        }
        #expect(tuner.model.textEncoder.store.parameters.allSatisfy { !$0.requiresGrad && $0.grad == nil })
    }

    @Test func velocityIsPredictedAndWeighted() throws {
        let tuner = try tuner(kind: "sd2") { $0.minSNR = 5 }
        let batch = try batch()
        let loss = try tuner.update { _ in batch }.values[0].value
        #expect(abs(loss / (try value("velocity.loss")) - 1) < 1e-5)
    }

    /// Two passes of two images are one of four.
    @Test func gradientsAddUp() throws {
        func run(_ size: Int, _ passes: Int) throws -> [Float] {
            let tuner = try tuner {
                ($0.batchSize, $0.accumulation, $0.loraRank, $0.loraAlpha) = (size, passes, 2, 2)
                // Plain numbers instead of a step that hides the gradient's size.
                $0.maximumNorm = 1e9
            }
            let all = try batch()
            let values = try tuner.update { pass in
                let range = pass * size..<(pass + 1) * size
                return DenoisingBatch(
                    latents: all.latents[range], captions: Array(prompts[range]), timesteps: all.timesteps[range],
                    epsilon: all.epsilon[range])
            }.values
            return [Float(values[0].value), Float(values[1].value)]
        }
        let (together, apart) = (try run(2, 1), try run(1, 2))
        #expect(zip(together, apart).allSatisfy { abs($0 / $1 - 1) < 1e-5 }, "\(together) \(apart)")
    }

    @Test(arguments: [true, false])
    func resumesToTheSameNumbers(isLoRA: Bool) throws {
        let folder = NSTemporaryDirectory() + "fine-tuner-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func make() throws -> FineTuner {
            try tuner {
                ($0.loraRank, $0.loraAlpha) = isLoRA ? (2, 4) : (0, 0)
                ($0.trainsTextEncoder, $0.averageDecay, $0.accumulation) = (true, 0.99, 2)
                ($0.schedule, $0.warmup, $0.emptyCaptions) = (.cosine, 3, 0.5)
            }
        }
        func weights(_ tuner: FineTuner) -> [[Float]] {
            let own = tuner.trained.flatMap(\.store.parameters).map { $0.scalars(Float.self) }
            return own + tuner.withAverage { tuner.trained.flatMap(\.store.parameters).map { $0.scalars() } }
        }
        let whole = try make()
        for _ in 0..<2 { _ = try whole.advance() }
        try whole.save(to: "\(folder)/checkpoint.safetensors")
        let values = try (0..<2).map { _ in try whole.advance().values.map(\.value) }

        let resumed = try make()
        try resumed.restore(from: "\(folder)/checkpoint.safetensors")
        #expect(resumed.step == 2)
        for expected in values { #expect(try resumed.advance().values.map(\.value) == expected) }
        #expect(weights(resumed) == weights(whole))

        let other = try tuner { ($0.loraRank, $0.loraAlpha) = (3, 3) }
        #expect(throws: (any Error).self) { try other.restore(from: "\(folder)/checkpoint.safetensors") }
    }

    /// The loss falls on one image, with adapters and without, in bfloat16, too.
    @Test(arguments: [(8, ModelPrecision.float32), (8, .bfloat16), (0, .float32), (0, .bfloat16)])
    func learns(rank: Int, precision: ModelPrecision) throws {
        let tuner = try tuner(dtype: rank > 0 ? precision.dtype : .float32) {
            ($0.loraRank, $0.loraAlpha, $0.precision) = (rank, 2 * Double(rank), precision)
            ($0.learningRate, $0.recomputesLayers) = (rank > 0 ? 2e-2 : 2e-3, true)
        }
        #expect(tuner.trained.allSatisfy { $0.store.parameters.allSatisfy { $0.dtype == .float32 } })
        let batch = try batch()
        let first = try tuner.update { _ in batch }.values[0].value
        var last = first
        for _ in 0..<25 { last = try tuner.update { _ in batch }.values[0].value }
        #expect(last < 0.8 * first, "\(first) \(last)")
    }

    @Test func recomputedLayersHoldLessMemory() throws {
        func peak(_ recomputes: Bool) throws -> Int {
            let tuner = try tuner { ($0.loraRank, $0.loraAlpha, $0.recomputesLayers) = (2, 2, recomputes) }
            let latents = Tensor.randn([1, 4, 48, 48], generator: Generator(seed: 0))
            let batch = DenoisingBatch(
                latents: latents, captions: ["a dog"], timesteps: Tensor([Int64(300)]), epsilon: latents)
            return try Machine.peakMemory { _ = try tuner.update { _ in batch } }.bytes
        }
        let (whole, recomputed) = (try peak(false), try peak(true))
        #expect(Double(recomputed) < 0.7 * Double(whole), "\(recomputed) of \(whole) bytes")
    }

    @Test func theModelIsWrittenWhole() throws {
        let folder = NSTemporaryDirectory() + "fine-tuned-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let tuner = try tuner { $0.averageDecay = 0.9 }
        for _ in 0..<2 { _ = try tuner.advance() }
        try tuner.writeModel(to: folder)
        let model = try LatentDiffusionModel(path: folder)
        for (index, (written, trained)) in zip(model.unet.store.parameters, tuner.average?.averages ?? []).enumerated()
        {
            #expect(written.scalars(Float.self) == trained.scalars(), "\(model.unet.store.entries[index].name)")
        }
        let source = try fixture("sd1")
        for name in ["vae/config.json", "text_encoder/model.safetensors", "unet/config.json", "tokenizer/vocab.json"] {
            #expect(
                FileManager.default.contents(atPath: "\(folder)/\(name)")
                    == FileManager.default.contents(atPath: "\(source)/\(name)"), "\(name)")
        }
        #expect(throws: UserError.self) { try tuner.writeLoRA(to: "\(folder)/lora.safetensors") }
        #expect(throws: FileFormatError.self) { try tuner.writeModel(to: source) }
        // The source's weights are mapped: training them leaves the file alone.
        let untouched = try LatentDiffusionModel(path: source)
        #expect(untouched.unet.store.parameters[0].scalars(Float.self) != model.unet.store.parameters[0].scalars())
    }

    @Test func emptyCaptionsAreDrawnInTheirShare() throws {
        // With all captions left out, the captions' words make no difference.
        func loss(_ share: Double, _ word: String) throws -> Double {
            var options = FineTuningOptions()
            (options.loraRank, options.loraAlpha, options.emptyCaptions) = (2, 2, share)
            let tuner = try FineTuner(LatentDiffusionModel(path: fixture("sd1")), options: options) { _ in
                CaptionedBatch(images: .rand([1, 3, 16, 16], generator: Generator(seed: 1)), captions: [word])
            }
            return try tuner.advance().values[0].value
        }
        #expect(try loss(1, "dog") == loss(1, "cartoon"))
        #expect(try loss(0, "dog") != loss(0, "cartoon"))
    }

    @Test func impossibleOptionsAreRefused() throws {
        let changes: [(inout FineTuningOptions) -> Void] = [
            { $0.steps = 0 }, { $0.batchSize = 0 }, { $0.accumulation = 0 }, { $0.learningRate = 0 },
            { $0.warmup = 101 }, { $0.emptyCaptions = 1.5 }, { $0.averageDecay = 1 }, { $0.loraRank = -1 },
            { $0.loraRank = 4 }, { $0.precision = .float16 }, { $0.minSNR = -1 },
        ]
        for (index, change) in changes.enumerated() {
            #expect(throws: UserError.self, "\(index)") { try tuner(change) }
        }
        #expect(throws: UserError.self) { try tuner(dtype: .bfloat16) { $0.precision = .bfloat16 } }
    }

    @Test func aLossThatIsNoNumberLeavesTheWeights() throws {
        let tuner = try tuner { ($0.loraRank, $0.loraAlpha) = (2, 2) }
        let before = tuner.trained[0].store.parameters.map { $0.scalars(Float.self) }
        let good = try batch()
        let bad = DenoisingBatch(
            latents: good.latents * Double.infinity, captions: prompts, timesteps: good.timesteps, epsilon: good.epsilon
        )
        #expect(throws: UserError.self) { try tuner.update { _ in bad } }
        #expect(tuner.trained[0].store.parameters.map { $0.scalars(Float.self) } == before)
        #expect(tuner.step == 0)
    }
}
