import Foundation
import Logging
import Pixels
import TestSupport
import Torch

@testable import Backbones
@testable import DomainGeneralization

/// Three convolutions with tanh, 5 features: the network of scripts/fixtures/algorithms. Optionally with batch norm.
struct TinyBackbone: Backbone {
    let featureCount = 5
    let levels = 3
    private let layers: [(scope: Scope, convolution: Conv2d, norm: BatchNorm2d?)]

    init(_ scope: Scope, hasBatchNorm: Bool) {
        let plan = [("stem", 3, 4, 1), ("stage1", 4, 6, 2), ("stage2", 6, 5, 2)]
        layers = plan.map { name, inputs, outputs, stride in
            (
                scope / name, Conv2d(scope / name, in: inputs, out: outputs, kernel: 3, stride: stride, padding: 1),
                hasBatchNorm ? BatchNorm2d(scope / name / "norm", channels: outputs) : nil
            )
        }
    }

    func features(_ images: Tensor, visit: (Int, Tensor) -> Tensor) -> Tensor {
        var x = images
        for (level, layer) in layers.enumerated() {
            x = layer.scope.layer(x) { inputs in
                let y = layer.convolution(inputs[0])
                return (layer.norm?(y) ?? y).tanh()
            }
            x = visit(level, x)
        }
        return x.mean([2, 3])
    }

    static func description(hasBatchNorm: Bool) -> BackboneDescription {
        BackboneDescription(
            "tiny", summary: "for tests", normalisation: .imageNet, imageSize: 8, headKey: "head",
            weightFiles: [],
            make: { scope, _, _ in TinyBackbone(scope, hasBatchNorm: hasBatchNorm) }, rename: { $0 },
            place: { $0.hasPrefix("head") ? .head : .stem })
    }
}

/// What the tests of algorithms train on: three environments of twelve images and three classes, 8 pixels wide.
struct AlgorithmFixture {
    let folder: TemporaryFolder
    let context: AlgorithmContext

    /// - Parameters:
    ///   - isReference: the network, parameters and optimiser of scripts/fixtures/algorithms; otherwise one with batch
    ///     norm and dropout.
    ///   - learningRate: of the latter.
    init(
        isReference: Bool, layerDecay: Double = 1, gradientCheckpointing: Bool = false, learningRate: Double = 0.01,
        sampling: Sampling = .replacement, accumulation: Int = 1
    ) throws {
        folder = try TemporaryFolder()
        for (domain, name) in ["a", "b", "c"].enumerated() {
            for label in 0..<3 {
                for index in 0..<4 {
                    try folder.writeImage(
                        "set/\(name)/\(label)/\(index).png", seed: 100 * domain + 10 * label + index, size: 8)
                }
            }
        }
        let dataset = try ImageFolder("\(folder.path)/set")
        var options = Classifier.Options(layerDecay: layerDecay)
        options.backbone.gradientCheckpointing = gradientCheckpointing
        if !isReference { options.dropout = 0.2 }
        let (chosen, description) = (options, TinyBackbone.description(hasBatchNorm: !isReference))
        context = AlgorithmContext(
            dataset: dataset, split: Split(dataset, trialSeed: 0), sourceEnvironments: [0, 1, 2], testEnvironments: [],
            images: try ImageCache(dataset, threads: 1), trainingPipeline: .training(size: 8),
            evaluationPipeline: .evaluation(size: 8), imageSize: 8, batchSize: 6,
            sampling: sampling, accumulation: accumulation, steps: 8,
            optimizer: isReference
                ? OptimizerSettings(learningRate: 0.05, weightDecay: 0.01)
                : OptimizerSettings(learningRate: learningRate),
            device: .cpu, seed: 0, runDirectory: folder.path, storeDirectory: folder.path, logger: Logger(label: "test")
        ) { frozenFeatures in
            var options = chosen
            options.frozenFeatures = frozenFeatures
            let classifier = try Classifier(description, classCount: 3, options: options, seed: 1)
            if isReference { Self.fill(classifier.store) }
            return classifier
        }
    }

    /// The parameters of the reference: standard normal numbers of seeds 100, 101, …, scaled.
    static func fill(_ store: ParameterStore, seed: UInt64 = 100) {
        fill(store.entries.filter(\.isParameter).map { $0.tensor.detached() }, seed: seed)
    }

    static func fill(_ tensors: [Tensor], seed: UInt64) {
        for (index, tensor) in tensors.enumerated() {
            let fanIn = tensor.shape.dropFirst().reduce(1, *)
            let scale = tensor.rank == 1 ? 0.1 : 1 / Double(fanIn).squareRoot()
            noGrad {
                tensor.copy_(Tensor.randn(tensor.shape, generator: Generator(seed: seed + UInt64(index))) * scale)
            }
        }
    }

    /// The minibatches of the reference.
    static func minibatches(step: Int) -> [Minibatch] {
        let labels = [[0, 1, 2, 0, 1, 2], [2, 0, 1, 1, 0, 2], [1, 2, 0, 2, 2, 0]]
        return labels.enumerated().map { domain, labels in
            let noise = Tensor.randn([6, 3, 8, 8], generator: Generator(seed: UInt64(1 + domain + 10 * step)))
            return Minibatch(
                images: 0.8 * noise + 0.2 * Double(domain), labels: Tensor(labels),
                items: [Int](repeating: 0, count: 6),
                environment: domain)
        }
    }
}
