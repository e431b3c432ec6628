import ArgumentParser
import Experiments
import Foundation
import Foundations

struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write a run's classifier for other programs: ONNX, safetensors or PyTorch.",
        discussion: """
            Beside the network or its weights stand preprocessing.json, how an image becomes the input, and a model card, \
            README.md, with results, limits and the lines of Python that use it.

            onnx          model.onnx, the network for any number of images: onnxruntime and others run it
            safetensors   model.safetensors, weights under the keys of timm or torchvision
            pth           model.pth, the same as torch.save writes a state dict

            Examples:
              domainfusion export runs/erm --output exported
              domainfusion export runs/erm --format safetensors --averaged --output exported
            """)

    @Argument(help: "The folder of a finished run.", completion: .directory)
    var run: String

    @Option(help: "onnx, safetensors or pth.")
    var format = ModelExport.Format.onnx

    @Option(name: .shortAndLong, help: "The folder to write to.", completion: .directory)
    var output: String

    @Flag(help: "Take the averaged model of a run with --average.")
    var averaged = false

    @OptionGroup var threading: ThreadsOption

    func run() async throws {
        let export = try ModelExport(run: run, averaged: averaged, format: format, threads: threading.count)
        try export.write(to: output)
        print("\(plainText(output))/\(format.fileName): written, with \(ModelExport.preprocessingFile) and README.md")
    }
}

extension ModelExport.Format: ExpressibleByArgument {}
