import Backbones
import Torch

/// A training step of DomainBed's size: a ResNet on 3 domains of 32 images of 224×224, channels-last: forward,
/// cross-entropy, backward, Adam; two threads. With batch norm as in training, and frozen, as DomainBed has it; and with
/// gradient checkpointing.
enum ResNetStepBenchmark {
    /// - Parameter arguments: the backbone's name, and `checkpointing` or `frozen` for that.
    static func run(_ arguments: [String]) throws -> [Measurement] {
        let name = arguments.first ?? "resnet18"
        let variant = arguments.dropFirst().first
        let backbone = BackboneOptions(
            freezeBatchNorm: variant == "frozen", gradientCheckpointing: variant == "checkpointing")
        Machine.threads = 2
        let generator = Generator(seed: 0)
        let images = Tensor.randn([96, 3, 224, 224], generator: generator).contiguous(.channelsLast)
        let labels = Tensor.randint(0..<7, [96], generator: generator)
        let classifier = try Classifier(
            Backbones.named(name), classCount: 7,
            options: .init(backbone: backbone), seed: 0)
        classifier.isTraining = true
        let optimizer = Optimizer(.adam(), classifier.store.parameters, learningRate: 5e-5)
        return [
            measuringMemory {
                measure(
                    "resnet-step.\(([name] + arguments.dropFirst()).joined(separator: "."))", threads: 2, warmup: 1,
                    repetitions: 3
                ) {
                    optimizer.zeroGrad()
                    crossEntropy(classifier(images), labels).backward()
                    optimizer.step()
                }
            }
        ]
    }
}
