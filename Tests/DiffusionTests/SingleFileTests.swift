import Foundation
import Foundations
import Testing
import Torch

@testable import Diffusion

/// Stable Diffusion in one file with the original programs' names (scripts/fixtures/single_file.py).
struct SingleFileTests {
    private let folder: String

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("single-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    /// A file beside a folder with the settings of the model it was made of.
    private func copy(_ kind: String, _ name: String) throws -> String {
        let path = "\(folder)/\(name)"
        try FileManager.default.copyItem(atPath: fixture("single/\(kind)"), toPath: path)
        let model = String(kind.prefix(3))
        for part in ["unet", "vae", "text_encoder", "tokenizer", "scheduler"] {
            let target = "\(FilePathStem.of(path))/\(part)"
            try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
            for file in try FileManager.default.contentsOfDirectory(atPath: fixture("\(model)/\(part)"))
            where !file.hasSuffix(".safetensors") {
                try FileManager.default.copyItem(
                    atPath: fixture("\(model)/\(part)/\(file)"), toPath: "\(target)/\(file)")
            }
        }
        return path
    }

    private enum FilePathStem {
        static func of(_ path: String) -> String { (path as NSString).deletingPathExtension }
    }

    @Test(arguments: ["sd1.safetensors", "sd1.ckpt", "sd2.safetensors"])
    func hasTheWeightsOfTheFolder(kind: String) throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = try copy(kind, kind.replacing("sd", with: "model"))
        let file = try LatentDiffusionModel(path: path)
        let whole = try LatentDiffusionModel(path: fixture(String(kind.prefix(3))))
        #expect(file.isSingleFile && file.path == path && !whole.isSingleFile)
        for (one, other) in [
            (file.unet.store, whole.unet.store), (file.vae.store, whole.vae.store),
            (file.textEncoder.store, whole.textEncoder.store),
        ] {
            #expect(one.entries.map(\.name) == other.entries.map(\.name))
            for entry in other.entries {
                let rounded = entry.tensor.to(dtype: .float16).to(dtype: .float32)
                #expect(one[entry.name]?.shape == entry.tensor.shape, "\(entry.name)")
                #expect(one[entry.name]?.scalars(Float.self) == rounded.scalars(Float.self), "\(entry.name)")
            }
        }
        #expect(file.schedulerConfig == whole.schedulerConfig)
        #expect(file.tokenizer.encode("a dog") == whole.tokenizer.encode("a dog"))
        #expect(file.imageSize == whole.imageSize)
        // What it makes is what the folder makes, but for the rounding of the weights.
        let settings = GenerationSettings(steps: 2, guidanceScale: 2)
        let (a, b) = try (
            file.textToImage(["a dog"], settings: settings, seeds: [0]),
            whole.textToImage(["a dog"], settings: settings, seeds: [0])
        )
        #expect(relativeError(a, b) < 0.02)

        // Written as a folder, it is the same model.
        let target = "\(folder)/written"
        try file.write(to: target, dtype: .float32, changed: [])
        let again = try LatentDiffusionModel(path: target)
        #expect(
            try again.textToImage(["a dog"], settings: settings, seeds: [0]).scalars(Float.self)
                == a.scalars(Float.self))
    }

    /// Without a folder of settings they are those of Stable Diffusion 1.5 and 2.1, which the tiny weights do not fit.
    @Test(.enabled(if: TokenizerTests.hasMerges)) func settingsWithoutAFolder() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (kind, width) in [("sd1", 768), ("sd2", 1024)] {
            let path = "\(folder)/\(kind)-alone.safetensors"
            try FileManager.default.copyItem(atPath: fixture("single/\(kind).safetensors"), toPath: path)
            let file = try SingleFile(path: path)
            let scheduler = try file.schedulerConfig()
            #expect(scheduler.className == (kind == "sd1" ? "PNDMScheduler" : "DDIMScheduler"))
            #expect(scheduler.predictionType == (kind == "sd1" ? .epsilon : .velocity))
            #expect(scheduler.stepsOffset == 1 && scheduler.clipSample == false && scheduler.skipPRKSteps)
            let error = #expect(throws: UserError.self) { try file.textEncoder(device: .cpu, dtype: .float32) }
            #expect(error?.message.contains("shape [640, 32], wanted [49408, \(width)]") == true)
            #expect(error?.message.hasPrefix("\(path) does not fit the model") == true)
            #expect(throws: UserError.self) { try file.unet(device: .cpu, dtype: .float32) }
            #expect(throws: UserError.self) { try file.vae(device: .cpu, dtype: .float32) }
        }
    }

    @Test(.enabled(if: TokenizerTests.hasMerges)) func vocabularyOfStableDiffusionTwo() throws {
        let tokenizer = try CLIPTokenizer(openAIMerges: TokenizerTests.merges, padding: "!")
        for golden in try TokenizerTests.golden() {
            let ids = golden.full2 + Array(repeating: golden.full2.last ?? 0, count: 77 - golden.full2.count)
            #expect(tokenizer.encode(golden.text) == ids, "\(golden.text.debugDescription)")
        }
    }

    /// An existing file is no name on the hub, and what it holds is named.
    @Test func otherFilesAreNamed() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func refusal(_ path: String) -> String {
            do {
                _ = try LatentDiffusionModel(path: path)
                return "nothing was thrown"
            } catch {
                #expect(!"\(error)".contains("\n"))
                return "\(error)"
            }
        }
        #expect(try refusal(fixture("lora/kohya.safetensors")).contains("adapters (LoRA), not a model; name the model"))
        #expect(try refusal(fixture("sd1/unet/diffusion_pytorch_model.safetensors")).contains("one part of a model in"))
        #expect(try refusal(fixture("schedulers/walks.safetensors")).contains("holds no U-Net of Stable Diffusion"))
        let pointer = "\(folder)/model.safetensors"
        try AtomicFile.write("version https://git-lfs.github.com/spec/v1\nsize 42\n", to: pointer)
        #expect(refusal(pointer).hasPrefix("\(pointer): a Git LFS pointer, not the file itself of 42 bytes"))
        #expect(refusal("org/absent.safetensors").contains("org/absent.safetensors: no such model; wanted a folder"))
        #expect(refusal("org/absent").contains("not in the Hugging Face cache"))

        func edited(_ change: (inout StateDict) throws -> Void) throws -> String {
            var state = try StateDict(safetensors: fixture("single/sd1.safetensors"))
            try change(&state)
            try state.write(safetensors: pointer)
            return refusal(pointer)
        }
        let unet = OriginalNames.unetPrefix
        #expect(
            try edited { $0["\(unet)input_blocks.0.0.weight"] = .zeros([8, 9, 3, 3]) }.contains(
                "a model for inpainting"))
        #expect(try edited { $0["\(unet)label_emb.0.0.weight"] = .zeros([1]) }.contains("Stable Diffusion XL"))
        #expect(
            try edited { state in
                state = state.renamed { $0.hasPrefix("first_stage_model.") ? nil : $0 }
            }.contains("has no autoencoder"))
        #expect(
            try edited { state in
                state = state.renamed { $0.hasPrefix("cond_stage_model.") ? nil : $0 }
            }.contains("has no text encoder"))
    }
}
