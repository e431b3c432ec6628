import ArgumentParser
import Diffusion
import Foundation
import Torch

/// Low-rank adapters to make images with.
struct LoRAOptions: ParsableArguments {
    @Option(
        help: """
            Low-rank adapters (LoRA) to add to the model: a file of 'ldm finetune', diffusers or kohya's scripts, or a \
            folder with pytorch_lora_weights.safetensors; may be given several times.
            """, completion: .file())
    var lora: [String] = []

    @Option(
        parsing: .unconditionalSingleValue,
        help: "How much of --lora is added, 1 by default; with several, one for each in their order.")
    var loraScale: [Double] = []

    func validate() throws {
        if let scale = loraScale.first(where: { !$0.isFinite }) {
            throw ValidationError("--lora-scale: \(scale) is no finite number")
        }
        guard loraScale.isEmpty || !lora.isEmpty else { throw ValidationError("--lora-scale goes with --lora") }
        guard loraScale.isEmpty || loraScale.count == lora.count else {
            throw ValidationError(
                "--lora-scale: \(loraScale.count) for \(lora.count) --lora; give one for each, or none")
        }
    }

    /// The adapters, each with its scale; read before the model, so that a mistake in them is told at once.
    func read() throws -> [(file: LoRAFile, scale: Double)] {
        try lora.enumerated().map { index, path in
            (try LoRAFile(path: path), loraScale.isEmpty ? 1 : loraScale[index])
        }
    }
}

/// `domainfusion ldm merge`
struct LDMMerge: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge",
        abstract: "Write a model with low-rank adapters (LoRA) added to its weights, as a folder of its own.",
        discussion: """
            The folder is in diffusers layout: name it with --ldm wherever a model is asked for.

            Example:
              domainfusion ldm merge --ldm stable-diffusion-v1-5 --lora fox-lora --output sd-fox
            """)

    @Option(help: ArgumentHelp("The model: \(LDMOption.forms)."), completion: .file())
    var ldm: String

    @OptionGroup var lora: LoRAOptions

    @Option(help: "The folder to write.", completion: .directory)
    var output: String

    @Option(help: "float32, float16 or bfloat16 for the weights of U-Net and text encoder that are written.")
    var outputDtype = ModelPrecision.float32

    func validate() throws {
        guard !lora.lora.isEmpty else { throw ValidationError("--lora: name the adapters to add") }
    }

    func run() async throws {
        let adapters = try lora.read()
        let model = try ModelDownload.load(ldm)
        for (file, scale) in adapters { try model.merge(file, scale: scale) }
        try model.write(
            to: output, dtype: outputDtype.dtype, changed: Set(adapters.flatMap(\.file.layers).map(\.part)))
        let records = try ([model.fineTuning] + lora.lora.map(FineTuningRecord.init(model:))).compactMap { $0 }
        if var record = records.last {
            record.before = records.dropLast().flatMap(\.all).filter { !record.before.contains($0) } + record.before
            try record.write(to: output)
        }
        print("\(output): written")
    }
}
