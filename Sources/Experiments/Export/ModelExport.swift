import Backbones
import DomainGeneralization
import Foundation
import Foundations
import ONNX
import Pixels
import Torch

/// A finished run's classifier as other programs read it: its weights or its whole network, what an image goes through before it, and
/// a model card.
public struct ModelExport {
    /// What is written of the network.
    public enum Format: String, CaseIterable, Sendable {
        /// `model.onnx`: the network, for any number of images; onnxruntime and other programs run it.
        case onnx
        /// `model.safetensors`: the weights under the keys of timm or torchvision.
        case safetensors
        /// `model.pth`: the same as a state dict of PyTorch.
        case pth

        /// The file's name.
        public var fileName: String { "model.\(rawValue)" }
    }

    /// The file that says how an image becomes the network's input.
    public static let preprocessingFile = "preprocessing.json"

    private let model: TrainedModel
    private let summary: RunSummary
    private let format: Format
    private let isAveraged: Bool

    /// Reads a run.
    /// - Parameter averaged: takes the averaged model of the run's end instead of the one that validation chose.
    /// - Throws: `UserError` for a folder without a run, a run that has not ended, or a classifier that asks a diffusion model.
    public init(run path: String, averaged: Bool = false, format: Format, threads: Int) throws {
        let run = try RunDirectory(existing: path)
        guard run.isDone else {
            throw UserError("\(path): has not ended; let 'domainfusion train' run to its end, then export it")
        }
        guard try run.configuration().features == nil else {
            throw UserError(
                "\(path): its classifier asks a diffusion model, which no export holds; distil it into one that asks none "
                    + "(train --term teacher --set terms.teacher.run=\(path)), and export that")
        }
        model = try TrainedModel(run: path, averaged: averaged, device: "cpu", threads: threads)
        summary = try run.summary()
        self.format = format
        isAveraged = averaged
    }

    /// Writes the files into a folder, the network's last: where it is, all are.
    /// - Throws: `UserError` for a network that has no form in the format; a one-line error where nothing can be written.
    public func write(to folder: String) throws {
        try AtomicFile.makeFolder(folder)
        try AtomicFile.write(preprocessing.text + "\n", to: "\(folder)/\(Self.preprocessingFile)")
        let card = ModelCard(
            summary: summary, result: isAveraged ? summary.averaged ?? summary.selected : summary.selected,
            configuration: model.configuration, classes: model.classes, step: model.step,
            format: format)
        try AtomicFile.write(card.text, to: "\(folder)/README.md")
        let path = "\(folder)/\(format.fileName)"
        switch format {
        case .safetensors: try model.classifier.store.state.write(safetensors: path)
        case .pth: try model.classifier.store.state.write(pth: path)
        case .onnx:
            let side = model.configuration.imageSize
            model.classifier.isTraining = false
            let bytes = try ONNXExport.model(
                name: model.configuration.backbone.name, imageShape: [3, side, side],
                producer: ("DomainFusion", toolkitVersion),
                metadata: ["classes": JSONValue.array(model.classes.map(JSONValue.string)).text]
            ) { model.logits(ClassifierInput($0)) }
            try AtomicFile.write(to: path) { append in try bytes.withUnsafeBytes(append) }
        }
    }

    /// How an image becomes the input, and what the output means.
    private var preprocessing: JSONValue {
        func numbers(_ values: [Float]) -> JSONValue { .array(values.map { .double(Double("\($0)") ?? Double($0)) }) }
        let normalization = model.pipeline.normalization
        return [
            "input": .string(ONNXExport.inputName), "output": .string(ONNXExport.outputName), "layout": "NCHW",
            "colors": "RGB", "image_size": .int(model.configuration.imageSize), "resize": "bilinear",
            "keeps_proportions": false, "rescale": .double(1.0 / 255), "mean": numbers(normalization.mean),
            "std": numbers(normalization.deviation), "classes": .array(model.classes.map(JSONValue.string)),
            "architecture": .string(model.configuration.backbone.name),
        ]
    }
}
