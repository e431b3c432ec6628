import ArgumentParser
import Diffusion
import Foundation
import Torch

/// Low-rank adapters to make images with.
struct LoRAOptions: ParsableArguments {
    @Option(
        help: """
            Low-rank adapters (LoRA) to add to the model: a .safetensors file of 'ldm finetune', diffusers or kohya's \
            scripts, or a folder with pytorch_lora_weights.safetensors.
            """)
    var lora: String?

    @Option(help: "How much of --lora is added; 1 by default.")
    var loraScale: Double?

    func validate() throws {
        guard let loraScale else { return }
        guard loraScale.isFinite else { throw ValidationError("--lora-scale: \(loraScale) is no finite number") }
        guard lora != nil else { throw ValidationError("--lora-scale goes with --lora") }
    }

    var scale: Double { loraScale ?? 1 }

    /// The adapters; read before the model, so that a mistake in them is told at once.
    func read() throws -> LoRAFile? { try lora.map { try LoRAFile(path: $0) } }
}

/// `domainfusion ldm merge`
struct LDMMerge: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge",
        abstract: "Write a model with low-rank adapters (LoRA) added to its weights, as a folder of its own.",
        discussion: """
            The folder is in diffusers layout: name it with --ldm wherever a model is asked for.

            Example:
              domainfusion ldm merge --model stable-diffusion-v1-5 --lora fox-lora --output sd-fox
            """)

    @Option(help: "The model's folder, in diffusers layout.")
    var model: String

    @OptionGroup var lora: LoRAOptions

    @Option(help: "The folder to write.")
    var output: String

    @Option(help: "float32, float16 or bfloat16 for the weights of U-Net and text encoder that are written.")
    var outputDtype = ModelPrecision.float32

    func validate() throws {
        guard lora.lora != nil else { throw ValidationError("--lora: name the adapters to add") }
    }

    func run() async throws {
        let adapters = try lora.read()
        let ldm = try ModelDownload.load(model)
        if let adapters { try ldm.merge(adapters, scale: lora.scale) }
        try ldm.write(
            to: output, dtype: outputDtype.dtype, changed: Set(adapters?.layers.map(\.part) ?? []))
        print("\(output): written")
    }
}
