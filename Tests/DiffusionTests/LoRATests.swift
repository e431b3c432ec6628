import Foundation
import Foundations
import Testing
import Torch

@testable import Diffusion

/// Low-rank adapters against diffusers and peft (scripts/fixtures/lora.py).
@Suite struct LoRATests {
    private let folder: String
    private let expected: StateDict
    private let reference: DiffusionReference

    init() throws {
        folder = try fixture("lora")
        expected = try StateDict(safetensors: "\(folder)/reference.safetensors")
        reference = try DiffusionReference("sd1")
    }

    private func model() throws -> LatentDiffusionModel { try LatentDiffusionModel(path: reference.folder) }

    private func outputs(_ model: LatentDiffusionModel) throws -> (text: Tensor, unet: Tensor) {
        try noGrad {
            (
                model.textEncoder(try reference.tensor("text.input_ids")),
                model.unet(
                    try reference.tensor("unet.sample"), timesteps: try reference.tensor("unet.timestep"),
                    context: try reference.tensor("unet.encoder_hidden_states"))
            )
        }
    }

    @Test func mergedWeightsGiveWhatDiffusersGives() throws {
        for (name, scale) in [("merged", 1.0), ("half", 0.5)] {
            let model = try model()
            try model.merge(LoRAFile(path: folder), scale: scale)
            let (text, unet) = try outputs(model)
            #expect(relativeError(text, try #require(expected["\(name).text"])) < 1e-5)
            #expect(relativeError(unet, try #require(expected["\(name).unet"])) < 1e-5)
        }
        // The adapters are no trifle.
        let plain = try outputs(try model())
        #expect(relativeError(plain.unet, try #require(expected["merged.unet"])) > 0.05)
        #expect(relativeError(plain.text, try #require(expected["merged.text"])) > 0.05)
    }

    @Test func severalAddUpAsInDiffusers() throws {
        let model = try model()
        try model.merge(LoRAFile(path: folder), scale: 0.7)
        try model.merge(LoRAFile(path: "\(folder)/second.safetensors"), scale: -0.4)
        let (text, unet) = try outputs(model)
        #expect(relativeError(text, try #require(expected["both.text"])) < 1e-5)
        #expect(relativeError(unet, try #require(expected["both.unet"])) < 1e-5)
    }

    @Test func kohyasNamesAreReadToo() throws {
        let model = try model()
        try model.merge(LoRAFile(path: "\(folder)/kohya.safetensors"))
        let (text, unet) = try outputs(model)
        #expect(relativeError(text, try #require(expected["merged.text"])) < 1e-5)
        #expect(relativeError(unet, try #require(expected["merged.unet"])) < 1e-5)
    }

    @Test func promptsAreEncodedAnew() throws {
        let model = try model()
        let before = model.embed(["a dog"])
        try model.merge(LoRAFile(path: folder))
        #expect(relativeError(model.embed(["a dog"]), before) > 0.01)
    }

    @Test func mergedInBFloat16() throws {
        let model = try LatentDiffusionModel(path: reference.folder, dtype: .bfloat16)
        try model.merge(LoRAFile(path: folder))
        #expect(model.unet.store.dtype == .bfloat16)
        #expect(relativeError(try outputs(model).unet, try #require(expected["merged.unet"])) < 0.05)
    }

    /// Adapters beside frozen weights give the same, and are written as diffusers wrote them.
    @Test func adaptersGiveTheSameAndAreWrittenAlike() throws {
        let model = try model()
        let parts: [(LoRAFile.Part, ParameterStore, [String])] = [
            (.unet, model.unet.store, FineTuner.unetTargets),
            (.textEncoder, model.textEncoder.store, FineTuner.textTargets),
        ]
        let file = try LoRAFile(path: folder)
        var written: [(part: LoRAFile.Part, adapters: LowRankAdapters)] = []
        for (part, store, targets) in parts {
            let adapters = LowRankAdapters(of: store, layers: targets, rank: 4, alpha: 6, seed: 0)
            var state = StateDict()
            for layer in file.layers where layer.part == part {
                let name = part == .unet ? layer.name : "text_model." + layer.name
                state["\(name).lora_A.weight"] = layer.down
                state["\(name).lora_B.weight"] = layer.up
                #expect(layer.scale == 1.5)
            }
            try adapters.store.load(state, name: "fixture")
            store.adapters = adapters
            written.append((part, adapters))
        }
        let (text, unet) = try outputs(model)
        #expect(relativeError(text, try #require(expected["merged.text"])) < 1e-5)
        #expect(relativeError(unet, try #require(expected["merged.unet"])) < 1e-5)

        let output = FileManager.default.temporaryDirectory.appendingPathComponent("lora-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: output, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: output) }
        let path = output.appendingPathComponent(LoRAFile.fileName).path
        try LoRAFile.write(written, to: path)
        let ours = try StateDict(safetensors: path)
        let theirs = try StateDict(safetensors: "\(folder)/\(LoRAFile.fileName)")
        // transformers left out text_model in version 5; diffusers reads both.
        let names = ours.names.map { $0.replacing("text_encoder.text_model.", with: "text_encoder.") }
        #expect(Set(names) == Set(theirs.names) && names.count == theirs.names.count)
        for (name, plain) in zip(ours.names, names) {
            #expect(ours[name]?.scalars(Float.self) == theirs[plain]?.scalars(), "\(name)")
        }
        // Every setting has the value that peft gave it.
        func settings(_ path: String) throws -> [String: Any] {
            let header = try SafetensorsHeader.parse(MappedFile(path: path))
            #expect(header.metadata["format"] == "pt")
            let json = try #require(header.metadata["lora_adapter_metadata"])
            return try #require(JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        }
        let (own, other) = (try settings(path), try settings("\(folder)/\(LoRAFile.fileName)"))
        #expect(own.count == 20)
        for (key, value) in own {
            func text(_ value: Any?) -> String {
                if let number = value as? NSNumber { return "\(number.doubleValue)" }
                return ((value as? [String])?.sorted()).map { "\($0)" } ?? value.map { "\($0)" } ?? "none"
            }
            #expect(text(value) == text(other[key]), "\(key)")
        }
        let again = try self.model()
        try again.merge(LoRAFile(path: path))
        #expect(relativeError(try outputs(again).unet, try #require(expected["merged.unet"])) < 1e-5)
    }

    @Test func unfitFilesAreToldInOneLine() throws {
        let output = FileManager.default.temporaryDirectory.appendingPathComponent("lora-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: output, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: output) }
        let path = output.appendingPathComponent("bad.safetensors").path
        let key = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
        func half(_ rows: Int, _ columns: Int) -> Tensor { .ones([rows, columns]) }
        func refusal(
            _ tensors: [String: Tensor], settings: String? = nil
        ) throws -> String {
            var state = StateDict()
            for name in tensors.keys.sorted() { state[name] = tensors[name] }
            var metadata = ["format": "pt"]
            metadata["lora_adapter_metadata"] = settings
            try state.write(safetensors: path, metadata: metadata)
            let model = try self.model()
            let before: [Float] = model.unet.store.parameters[0].scalars()
            do {
                try model.merge(LoRAFile(path: path))
                return "nothing"
            } catch {
                #expect(model.unet.store.parameters[0].scalars() == before)
                let message = "\(error)".replacing(path, with: "FILE").replacing(reference.folder, with: "MODEL")
                #expect(!message.contains("\n"))
                return message
            }
        }
        #expect(try refusal([:]).contains("FILE: holds no adapters"))
        #expect(
            try refusal(["conv_in.weight": half(1, 1)])
                == "FILE: not adapters of Stable Diffusion: conv_in.weight; name a LoRA of diffusers")
        #expect(
            try refusal(["\(key).lora.down.weight": half(4, 16)])
                == "FILE: \(key): one half of the adapter is missing; fetch the file again")
        #expect(
            try refusal(["\(key).lora.down.weight": half(4, 16), "\(key).lora.up.weight": half(16, 3)])
                == "FILE: \(key): halves of shapes [4, 16] and [16, 3] do not fit; fetch it again")
        #expect(
            try refusal(["\(key).lora_A.weight": half(4, 20), "\(key).lora_B.weight": half(16, 4)])
                .hasPrefix(
                    "FILE: does not fit the model MODEL (1 layers): \(key): for weights of shape [16, 20], the model's are "
                        + "[16, 16]"))
        for (ending, kind) in [
            ("hada_w1_a", "a LoHa (LyCORIS)"), ("lokr_w2", "a LoKr (LyCORIS)"), ("dora_scale", "a DoRA"),
            ("lora_mid.weight", "a LoCon with a core (LyCORIS)"), ("diff", "a whole change of the weights (LyCORIS)"),
        ] {
            let name = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
            #expect(
                try refusal(["\(name).alpha": half(1, 1), "\(name).\(ending)": half(4, 4)])
                    == "FILE: \(kind), which is another kind of adapter than LoRA and is not supported")
        }
        let other = key.replacing("mid_block", with: "mid_block2")
        #expect(
            try refusal(["\(other).lora_A.weight": half(4, 16), "\(other).lora_B.weight": half(16, 4)])
                .contains("\(other): no such layer"))
        #expect(
            try refusal(["\(key).lora_A.weight": half(4, 16) * .infinity, "\(key).lora_B.weight": half(16, 4)])
                .contains("\(key): holds infinite values or NaN"))
        let good = ["\(key).lora_A.weight": half(4, 16), "\(key).lora_B.weight": half(16, 4)]
        #expect(try refusal(good, settings: "{").contains("FILE: the adapters' settings"))
        #expect(try refusal(good, settings: "{\"unet.use_dora\": true}").contains("FILE: use_dora is not supported"))
        #expect(try refusal(good) == "nothing")
        try Data("no file of tensors".utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: FileFormatError.self) { try LoRAFile(path: path) }
        #expect(throws: FileFormatError.self) { try LoRAFile(path: output.path) }
    }
}
