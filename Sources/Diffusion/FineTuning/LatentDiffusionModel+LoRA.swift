import Torch

extension LatentDiffusionModel {
    /// Adds adapters to the weights: W + scale · α/r · B · A. Images are then made with them at no further cost.
    /// - Parameter scale: how much of the adapters; 0 is none, negative the opposite.
    /// - Throws: ``ModelError`` naming the file and the layers that the model does not have, that have other shapes, or
    ///   whose numbers are not finite: then nothing was changed.
    public func merge(_ lora: LoRAFile, scale: Double = 1) throws {
        let names = [
            LoRAFile.Part.unet: LayerNames(unet.store, prefixes: [""]),
            // Newer versions of transformers leave the prefix out.
            .textEncoder: LayerNames(textEncoder.store, prefixes: ["", "text_model."]),
        ]
        var problems: [String] = []
        let changes = lora.layers.compactMap { layer -> (weight: Tensor, layer: LoRAFile.Layer)? in
            let label = layer.isFlat ? layer.name : "\(layer.part.rawValue).\(layer.name)"
            guard let weight = names[layer.part]?.weight(of: layer) else {
                problems.append("\(label): no such layer")
                return nil
            }
            let shape = [layer.up.size(0)] + layer.down.shape.dropFirst()
            let isPointwise = layer.up.shape.dropFirst(2).allSatisfy { $0 == 1 }
            guard isPointwise, Self.trimmed(shape) == Self.trimmed(weight.shape) else {
                problems.append("\(label): for weights of shape \(shape), the model's are \(weight.shape)")
                return nil
            }
            guard layer.scale.isFinite, layer.down.isFinite().all().item() == 1, layer.up.isFinite().all().item() == 1
            else {
                problems.append("\(label): holds infinite values or NaN")
                return nil
            }
            return (weight, layer)
        }
        guard problems.isEmpty else {
            throw ModelError(
                path: lora.path,
                "does not fit the model \(path) (\(problems.count) layers): \(LoRAFile.list(problems)); "
                    + "name the model that it was made for")
        }
        isChanged = true
        try withTorchErrors {
            noGrad {
                for (weight, layer) in changes {
                    let type: DType = weight.dtype == .float64 ? .float64 : .float32
                    func matrix(_ half: Tensor) -> Tensor {
                        half.flattened(from: 1).to(device: weight.device, dtype: type)
                    }
                    let change = matrix(layer.up).matmul(matrix(layer.down)).reshaped(weight.shape)
                    weight.copy_(weight.to(dtype: type) + (scale * layer.scale) * change)
                }
            }
        }
        forgetPrompts()
    }

    /// A shape without ones at its end: a linear layer's weights may be kept as those of a 1×1 convolution.
    private static func trimmed(_ shape: [Int]) -> [Int] {
        let used = shape.lastIndex { $0 != 1 }.map { $0 + 1 } ?? 0
        return Array(shape[..<used])
    }
}

/// The weights of a store by the names that files of adapters have for their layers.
private struct LayerNames {
    private let store: ParameterStore
    private let prefixes: [String]
    private let flat: [String: String]

    init(_ store: ParameterStore, prefixes: [String]) {
        self.store = store
        self.prefixes = prefixes
        var flat: [String: String] = [:]
        for entry in store.entries where entry.name.hasSuffix(".weight") {
            flat[String(entry.name.dropLast(".weight".count)).replacing(".", with: "_")] = entry.name
        }
        self.flat = flat
    }

    /// The weights [out, in, …] of a layer, or nil where there is no such layer.
    func weight(of layer: LoRAFile.Layer) -> Tensor? {
        let keys =
            layer.isFlat ? [flat[layer.name]].compactMap { $0 } : prefixes.map { "\($0)\(layer.name).weight" }
        let found = keys.lazy.compactMap { store[$0] }.first
        return found.flatMap { $0.rank >= 2 ? $0 : nil }
    }
}
