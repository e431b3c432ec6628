import Foundation
import Foundations
import Testing
import Torch

@testable import Backbones

@Suite struct BackboneTests {
    @Test(arguments: Backbones.all.map(\.name))
    func equalsTheReferenceInEvaluation(_ name: String) throws {
        let reference = try #require(BackboneReference.all[name])
        let classifier = try Formula.classifier(name)
        #expect(classifier.backbone.featureCount == reference.featureCount)
        #expect(classifier.store.entries.count == reference.keys)
        #expect(classifier.store.parameterCount == reference.parameters)
        let square = Formula.images("square", 2, 3, 64, 64)
        classifier.evaluating {
            let features = classifier.features(square)
            #expect(features.shape == [2, reference.featureCount])
            #expect(relativeError(features.narrowed(1, start: 0, length: 16), reference.features) < 1e-4)
            #expect(relativeError(classifier(square), reference.square) < 1e-4)
            #expect(relativeError(classifier(Formula.images("odd", 2, 3, 65, 70)), reference.odd) < 1e-4)
        }
    }

    @Test(arguments: Backbones.all.map(\.name).filter { BackboneReference.all[$0]?.training != nil })
    func equalsTheReferenceInTraining(_ name: String) throws {
        let reference = try #require(BackboneReference.all[name]?.training)
        let description = try Backbones.named(name)
        // In double precision: a deep network of random weights multiplies rounding errors.
        let store = ParameterStore(seed: 0, dtype: .float64)
        let backbone = description.make(store.root, BackboneOptions(), Generator(seed: 0))
        let head = Linear(store.root / description.headKey, in: backbone.featureCount, out: Formula.classCount)
        try store.load(Formula.weights(like: store), name: "formula")
        store.useChannelsLast()
        store.setRequiresGrad(true)
        store.isTraining = true
        let images = Formula.images("batch", 8, 3, 64, 64).to(dtype: .float64).contiguous(.channelsLast)
        let loss = crossEntropy(head(backbone.features(images)), Tensor((0..<8).map { $0 % Formula.classCount }))
        #expect(abs(loss.item() / reference.loss - 1) < 1e-9)
        loss.backward()
        for entry in store.entries {
            let key = entry.name
            if entry.isParameter {
                let norm = try #require(reference.gradientNorms[key])
                let sum = try #require(reference.gradientSums[key])
                let gradient = try #require(entry.tensor.grad)
                // Batch norm takes away the gradient of a shift before it, but for rounding errors.
                let tolerance = 1e-6 * norm + 1e-9
                #expect(abs(gradient.norm().item() - norm) < tolerance, "\(key)")
                let check = Formula.noise("check", gradient.shape).to(dtype: .float64)
                #expect(abs((gradient * check).sum().item() - sum) < tolerance, "\(key)")
            } else if let norm = reference.running[key] {
                #expect(abs(entry.tensor.norm().item() / norm - 1) < 1e-9, "\(key)")
            }
        }
    }

    /// Files of torchvision hold the same networks under other keys.
    @Test(arguments: ["regnet_y_16gf", "convnext_tiny"])
    func readsTorchvisionsKeys(_ name: String) throws {
        let reference = try #require(BackboneReference.torchvision["torchvision \(name)"])
        let description = try Backbones.named(name)
        let fresh = try Classifier(description, classCount: Formula.classCount, seed: 0)
        let weights = Formula.weights(
            like: fresh.store, name: name == "convnext_tiny" ? Self.convNeXtKey : Self.regNetKey)
        let classifier = try Classifier(description, classCount: Formula.classCount, weights: weights, seed: 0)
        #expect(!classifier.headIsFresh)
        classifier.evaluating {
            #expect(relativeError(classifier(Formula.images("square", 2, 3, 64, 64)), reference.square) < 1e-4)
        }
    }

    /// torchvision's key for one of timm's.
    private static func regNetKey(_ key: String) -> String {
        let names = [
            "downsample.conv": "proj.0", "downsample.bn": "proj.1", "conv1.conv": "f.a.0", "conv1.bn": "f.a.1",
            "conv2.conv": "f.b.0", "conv2.bn": "f.b.1", "conv3.conv": "f.c.0", "conv3.bn": "f.c.1", "se": "f.se",
        ]
        var result = key.replacingOccurrences(of: "stem.conv.", with: "stem.0.")
            .replacingOccurrences(of: "stem.bn.", with: "stem.1.").replacingOccurrences(of: "head.fc", with: "fc")
        if let match = key.firstMatch(of: /^s(\d)\.b(\d+)\.(.*?)\.(fc\d\.\w+|\w+)$/),
            let block = Int(match.2), let layer = names[String(match.3)]
        {
            result = "trunk_output.block\(match.1).block\(match.1)-\(block - 1).\(layer).\(match.4)"
        }
        return result
    }

    private static func convNeXtKey(_ key: String) -> String {
        var result = key.replacingOccurrences(of: "stem.", with: "features.0.")
            .replacingOccurrences(of: "head.norm", with: "classifier.0")
            .replacingOccurrences(of: "head.fc", with: "classifier.2")
        if let match = key.firstMatch(of: /^stages\.(\d)\.(blocks|downsample)\.(\d+)\.(.*)$/), let stage = Int(match.1)
        {
            let place = match.2 == "blocks" ? 2 * stage + 1 : 2 * stage
            result = "features.\(place).\(match.3).\(match.4)"
            for (ours, theirs) in [
                ("gamma", "layer_scale"), ("conv_dw", "block.0"), ("mlp.fc1", "block.3"), ("mlp.fc2", "block.5"),
            ] { result = result.replacingOccurrences(of: ours, with: theirs) }
            if match.2 == "blocks" { result = result.replacingOccurrences(of: ".norm.", with: ".block.2.") }
        }
        return result
    }

    /// The layers by which timm lets learning rates fall.
    @Test(arguments: Backbones.all.map(\.name))
    func countsLayersAsTimm(_ name: String) throws {
        let reference = try #require(BackboneReference.all[name]?.layers)
        let layers = try Classifier(Backbones.named(name), classCount: Formula.classCount, seed: 0).layers
        #expect(Set(layers.values).count == reference.count)
        let lines = layers.map { "\($0.key) \($0.value)" }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        #expect(Formula.crc32(lines.joined(separator: "\n")) == reference.checksum)
    }

    @Test func transformersVisitTokens() throws {
        let classifier = try Classifier(Backbones.named("vit_s16"), classCount: 2, seed: 0)
        classifier.evaluating {
            var shapes: [[Int]] = []
            let images = Formula.images("square", 2, 3, 48, 33)
            _ = classifier.features(images) { level, tokens in
                #expect(level == shapes.count)
                shapes.append(tokens.shape)
                return tokens
            }
            #expect(shapes == [[Int]](repeating: [2, 1 + 3 * 3, 384], count: 5))
        }
    }

    @Test func dinoWeightsMayHoldTheMaskToken() throws {
        let fresh = try Classifier(Backbones.named("vit_small_patch14_dinov2"), classCount: 2, seed: 0)
        var weights = fresh.store.state.renamed { $0.hasPrefix("head.") ? nil : $0 }
        weights["mask_token"] = .zeros([1, 384])
        #expect(try Classifier(fresh.description, classCount: 2, weights: weights, seed: 1).headIsFresh)
        weights["register_tokens"] = .zeros([1, 4, 384])
        let error = #expect(throws: UserError.self) {
            try Classifier(fresh.description, classCount: 2, weights: weights, seed: 1)
        }
        #expect(error?.message.contains("register_tokens: unexpected") == true)
    }

    @Test func namesAreForgiving() throws {
        for (name, expected) in [
            ("RegNetY-16GF", "regnety_160"), ("regnet_y_16gf", "regnety_160"), ("ConvNeXt-T", "convnext_tiny"),
            ("ViT-B/16", "vit_base_patch16_224"), ("EfficientNetLite0", "efficientnet_lite0"),
            ("tf_efficientnet_lite0", "tf_efficientnet_lite0"),
        ] { #expect(try Backbones.named(name).name == expected) }
        let error = #expect(throws: UserError.self) { try Backbones.named("resnet5") }
        #expect(error?.message.contains("did you mean resnet50") == true)
    }
}
