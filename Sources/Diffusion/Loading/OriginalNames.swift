import Torch

/// The tensors of a checkpoint of Stable Diffusion's own programs (one file, CompVis' and Stability's names) under the names
/// that diffusers and transformers have for them.
enum OriginalNames {
    static let unetPrefix = "model.diffusion_model."
    static let vaePrefixes = ["first_stage_model.", "vae."]
    static let clipPrefix = "cond_stage_model.transformer."
    static let openCLIPPrefix = "cond_stage_model.model."

    /// Whether a key is of a part that a model is made of; others are averages of the weights and of the training.
    static func isWanted(_ key: String) -> Bool {
        ([unetPrefix, clipPrefix, openCLIPPrefix] + vaePrefixes).contains { key.hasPrefix($0) }
    }

    // MARK: U-Net

    private static let unetLayers = [
        "time_embed.0": "time_embedding.linear_1", "time_embed.2": "time_embedding.linear_2",
        "input_blocks.0.0": "conv_in", "out.0": "conv_norm_out", "out.2": "conv_out",
        "middle_block.0": "mid_block.resnets.0", "middle_block.1": "mid_block.attentions.0",
        "middle_block.2": "mid_block.resnets.1",
    ]
    private static let resnetLayers = [
        "in_layers.0": "norm1", "in_layers.2": "conv1", "out_layers.0": "norm2", "out_layers.3": "conv2",
        "emb_layers.1": "time_emb_proj", "skip_connection": "conv_shortcut",
    ]

    /// The U-Net's tensors.
    /// - Parameter layers: resnets of each level.
    static func unet(_ file: StateDict, layers: Int) -> StateDict {
        file.renamed { key in
            guard key.hasPrefix(unetPrefix) else { return nil }
            let name = String(key.dropFirst(unetPrefix.count))
            return unetName(name, layers: layers) ?? name
        }
    }

    private static func unetName(_ name: String, layers: Int) -> String? {
        if let (old, new) = unetLayers.first(where: { name.hasPrefix($0.key + ".") }) {
            return replacing(resnetLayers, in: new + name.dropFirst(old.count))
        }
        let words = name.split(separator: ".", maxSplits: 3).map(String.init)
        guard words.count == 4, let block = Int(words[1]), let part = Int(words[2]), block >= 0 else { return nil }
        func inside(_ side: String, _ index: Int) -> String? {
            let place = "\(side)_blocks.\(index / (layers + 1))"
            let layer = index % (layers + 1)
            let sampler = side == "down" ? "op." : "conv."
            if words[3].hasPrefix(sampler) {
                let kind = side == "down" ? "downsamplers" : "upsamplers"
                return "\(place).\(kind).0.conv.\(words[3].dropFirst(sampler.count))"
            }
            switch part {
            case 0: return replacing(resnetLayers, in: "\(place).resnets.\(layer).\(words[3])")
            case 1: return "\(place).attentions.\(layer).\(words[3])"
            default: return nil
            }
        }
        switch words[0] {
        case "input_blocks" where block > 0: return inside("down", block - 1)
        case "output_blocks": return inside("up", block)
        default: return nil
        }
    }

    // MARK: Autoencoder

    private static let attentionLayers = [
        "norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0",
    ]

    /// The autoencoder's tensors.
    /// - Parameter levels: of resolution.
    static func vae(_ file: StateDict, levels: Int) -> StateDict {
        var result = StateDict()
        for key in file.names {
            guard let prefix = vaePrefixes.first(where: { key.hasPrefix($0) }), let tensor = file[key] else { continue }
            let name = String(key.dropFirst(prefix.count))
            // The training's discriminator and average.
            if name.hasPrefix("loss.") || name.hasPrefix("model_ema.") { continue }
            let new = vaeName(name, levels: levels)
            // Attention's layers were kept as convolutions of one pixel.
            let isLinear = new.contains(".attentions.") && tensor.rank == 4 && new.hasSuffix(".weight")
            result[new] = isLinear ? tensor.reshaped(tensor.size(0), tensor.size(1)) : tensor
        }
        return result
    }

    private static func vaeName(_ name: String, levels: Int) -> String {
        let words = name.split(separator: ".").map(String.init)
        guard words.count >= 3 else { return name }
        let rest = words.dropFirst(3).joined(separator: ".")
        switch (words[1], words[2]) {
        case ("norm_out", _): return "\(words[0]).conv_norm_out.\(words[2])"
        case ("mid", "block_1"), ("mid", "block_2"):
            let index = words[2] == "block_1" ? 0 : 1
            return "\(words[0]).mid_block.resnets.\(index).\(replacing(["nin_shortcut": "conv_shortcut"], in: rest))"
        case ("mid", "attn_1"):
            guard words.count == 5, let layer = attentionLayers[words[3]] else { return name }
            return "\(words[0]).mid_block.attentions.0.\(layer).\(words[4])"
        case ("down", _), ("up", _):
            guard let level = Int(words[2]), words.count >= 6 else { return name }
            let isDown = words[1] == "down"
            let block = "\(words[0]).\(words[1])_blocks.\(isDown ? level : levels - 1 - level)"
            if words[3] == "block" {
                let inner = words.dropFirst(5).joined(separator: ".")
                return "\(block).resnets.\(words[4]).\(replacing(["nin_shortcut": "conv_shortcut"], in: inner))"
            }
            return "\(block).\(isDown ? "downsamplers" : "upsamplers").0.\(words[4]).\(words[5])"
        default: return name
        }
    }

    // MARK: Text encoder

    private static let openCLIPLayers = [
        "ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
        "attn.out_proj": "self_attn.out_proj",
    ]
    private static let openCLIPEnds = [
        "positional_embedding": "text_model.embeddings.position_embedding.weight",
        "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
        "ln_final.weight": "text_model.final_layer_norm.weight", "ln_final.bias": "text_model.final_layer_norm.bias",
    ]

    /// The text encoder's tensors: CLIP's of Stable Diffusion 1.x, or OpenCLIP's of 2.x.
    /// - Parameter layers: how many the model has; OpenCLIP's last one, which Stable Diffusion does not use, is left out.
    static func textEncoder(_ file: StateDict, layers: Int) -> StateDict {
        var result = StateDict()
        for key in file.names {
            guard let tensor = file[key] else { continue }
            if key.hasPrefix(clipPrefix) {
                let name = String(key.dropFirst(clipPrefix.count))
                result[name.hasPrefix("text_model.") ? name : "text_model." + name] = tensor
            } else if key.hasPrefix(openCLIPPrefix) {
                for (name, part) in openCLIP(String(key.dropFirst(openCLIPPrefix.count)), tensor, layers: layers) {
                    result[name] = part
                }
            }
        }
        return result
    }

    private static func openCLIP(_ name: String, _ tensor: Tensor, layers: Int) -> [(String, Tensor)] {
        if let new = openCLIPEnds[name] { return [(new, tensor)] }
        if ["text_projection", "logit_scale"].contains(name) { return [] }
        let words = name.split(separator: ".", maxSplits: 3).map(String.init)
        guard words.count == 4, words[0] == "transformer", words[1] == "resblocks", let layer = Int(words[2]) else {
            return [(name, tensor)]
        }
        if layer == layers { return [] }
        let place = "text_model.encoder.layers.\(layer)"
        for half in ["weight", "bias"] where words[3] == "attn.in_proj_\(half)" {
            // Query, key and value in one.
            guard tensor.rank > 0, tensor.size(0) % 3 == 0, tensor.size(0) > 0 else { return [(name, tensor)] }
            return zip(["q", "k", "v"], tensor.chunked(3, dimension: 0)).map {
                ("\(place).self_attn.\($0)_proj.\(half)", $1.contiguous())
            }
        }
        return [("\(place).\(replacing(openCLIPLayers, in: words[3]))", tensor)]
    }

    /// A name with a layer in it, one of `names`, called otherwise.
    private static func replacing(_ names: [String: String], in name: String) -> String {
        let dotted = "." + name
        guard let (old, new) = names.first(where: { dotted.contains(".\($0.key).") }) else { return name }
        return String(dotted.replacing(".\(old).", with: ".\(new).").dropFirst())
    }
}
