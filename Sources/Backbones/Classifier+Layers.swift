import Torch

extension Classifier {
    /// The trainable parameters as an optimiser takes them: with ``Options/layerDecay`` below 1, or a
    /// ``Options/headRate`` other than 1, a group for each layer, whose learning rate is the decay to the power of its distance
    /// from the head (Clark et al. 2020; the layers of timm's `param_groups_layer_decay`), the head's times its own factor. For a
    /// linear probe the head alone.
    public var parameterGroups: [ParameterGroup] {
        let prefix = description.headKey + "."
        let trained = store.entries.filter { $0.isParameter && (!options.linearProbe || $0.name.hasPrefix(prefix)) }
        guard options.layerDecay < 1 || options.headRate != 1 else { return [ParameterGroup(trained.map(\.tensor))] }
        let layers = self.layers
        let last = layers.values.max() ?? 0
        return (0...last).compactMap { layer in
            let members = trained.filter { layers[$0.name] == layer }
            guard !members.isEmpty else { return nil }
            var scale = layer == last ? options.headRate : 1
            for _ in layer..<last { scale *= options.layerDecay }
            return ParameterGroup(members.map(\.tensor), rateScale: scale)
        }
    }

    /// The layer of each parameter by its name: 0 is the stem, then one for each residual block, the head the last.
    var layers: [String: Int] {
        let names = store.entries.filter(\.isParameter).map(\.name)
        let places = names.map(description.place)
        let blocks = Set(places.compactMap { if case .block(let index) = $0 { index } else { nil } })
            .sorted { $0.lexicographicallyPrecedes($1) }
        let numbers = Dictionary(uniqueKeysWithValues: zip(blocks, 1...))
        return Dictionary(
            uniqueKeysWithValues: zip(names, places).map { name, place in
                switch place {
                case .stem: (name, 0)
                case .block(let index): (name, numbers[index] ?? 0)
                case .afterBlocks: (name, blocks.count)
                case .head: (name, blocks.count + 1)
                }
            })
    }
}
