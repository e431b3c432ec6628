import DomainGeneralization
import Foundation
import Foundations

/// The model card of an exported classifier, a `README.md` with metadata as the Hugging Face hub reads it.
struct ModelCard {
    let summary: RunSummary
    /// The accuracies of the model that is exported.
    let result: RunSummary.Result
    let configuration: RunConfiguration
    let classes: [String]
    /// The step of the checkpoint.
    let step: Int
    let format: ModelExport.Format

    private var dataset: String { FilePath.name(of: configuration.data) }
    private var method: String { configuration.methodName(configuration.algorithm.name) }
    private var held: [String] { summary.testDomains }

    var text: String {
        ([metadata, "# \(title)", "", lead, "", results, "", limits, "", use, ""] + [origin]).joined(separator: "\n")
            + "\n"
    }

    private var title: String { "\(configuration.backbone.name), \(method), \(dataset)" }

    /// YAML between lines of dashes.
    private var metadata: String {
        let metrics = held.compactMap { domain in
            accuracy(domain).map { value in
                """
                  - task: {type: image-classification}
                    dataset: {name: \(quoted("\(dataset), \(domain) held out")), type: \(quoted(dataset))}
                    metrics: [{type: accuracy, value: \(String(format: "%.4f", value))}]
                """
            }
        }
        let lines = [
            "---", "pipeline_tag: image-classification",
            "library_name: \(format == .onnx ? "onnx" : "timm")",
            "tags: [image-classification, domain-generalization]", "datasets: [\(quoted(dataset))]",
        ]
        let index = metrics.isEmpty ? [] : ["model-index:", "- name: \(quoted(title))", "  results:"] + metrics
        return (lines + index + ["---", ""]).joined(separator: "\n")
    }

    /// A text in YAML's double quotes.
    private func quoted(_ text: String) -> String { JSONValue.string(plainText(text)).text }

    private var lead: String {
        let names = held.map { "`\(plainText($0))`" }.joined(separator: ", ")
        let left = held.isEmpty || summary.oracle ? "" : " without \(names)"
        return """
            A classifier of \(classes.count) classes (\(classes.map { plainText($0) }.joined(separator: ", "))), trained on \
            \(plainText(dataset))\(left): step \(step) of \
            \(summary.steps), \(method), \(configuration.backbone.name), \(configuration.imageSize) pixels.
            """
    }

    private func accuracy(_ domain: String) -> Double? { result.targets[domain]?.accuracy }

    private var results: String {
        let kind = summary.oracle ? "trained on, too: images kept from it" : "never seen in training"
        var rows = held.compactMap { domain in accuracy(domain).map { ("\(plainText(domain)), \(kind)", percent($0)) } }
        if let validation = result.sourceValidation {
            rows.append(("source domains, images kept from training", percent(validation)))
        }
        return (["| images of | accuracy |", "|---|---|"] + rows.map { "| \($0.0) | \($0.1) |" }).joined(
            separator: "\n")
    }

    private func percent(_ share: Double) -> String { String(format: "%.1f %%", 100 * share) }

    private var limits: String {
        """
        It knows these classes alone and gives every image one of them. On a domain unlike those above expect less than on the
        source domains; measure it on images of your own before you rely on it. One training says little: another seed can
        differ by several points.
        """
    }

    private var use: String {
        let code =
            switch format {
            case .onnx: onnxUse
            case .safetensors: timmUse("from safetensors.torch import load_file\n", #"load_file("model.safetensors")"#)
            case .pth: timmUse("", #"torch.load("model.pth", weights_only=True)"#)
            }
        return "## Use\n\n```python\n\(code)\n```"
    }

    private static let pixels = """
        p = json.load(open("preprocessing.json"))
        image = Image.open("image.jpg").convert("RGB").resize([p["image_size"]] * 2, Image.BILINEAR)
        x = (np.asarray(image, np.float32) * p["rescale"] - p["mean"]) / p["std"]
        x = x.transpose(2, 0, 1)[None].astype(np.float32)
        """

    private var onnxUse: String {
        """
        import json, numpy as np, onnxruntime
        from PIL import Image
        \(Self.pixels)
        logits = onnxruntime.InferenceSession("model.onnx").run(None, {p["input"]: x})[0][0]
        print(p["classes"][int(logits.argmax())])
        """
    }

    private func timmUse(_ imports: String, _ load: String) -> String {
        """
        import json, numpy as np, timm, torch
        \(imports)from PIL import Image
        \(Self.pixels)
        model = timm.create_model(p["architecture"], num_classes=len(p["classes"])\(anySize)).eval()
        model.load_state_dict(\(load))
        print(p["classes"][int(model(torch.from_numpy(x))[0].argmax())])
        """
    }

    /// timm's transformers take images of another size than they were made for if they are told so.
    private var anySize: String {
        configuration.backbone.name.hasPrefix("vit") ? ", dynamic_img_size=True, dynamic_img_pad=True" : ""
    }

    private var origin: String { "Trained and exported by DomainFusion \(toolkitVersion)." }
}
