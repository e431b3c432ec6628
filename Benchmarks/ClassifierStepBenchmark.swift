import Backbones
import Torch

/// A training step of EfficientNet-Lite0 on 64 images of 64×64, channels-last: forward, cross-entropy, backward, Adam;
/// without and with gradient checkpointing.
enum ClassifierStepBenchmark {
    /// - Parameter arguments: `checkpointing` for that, or none.
    static func run(_ arguments: [String]) throws -> [Measurement] {
        let generator = Generator(seed: 0)
        let images = Tensor.randn([64, 3, 64, 64], generator: generator)
        let labels = Tensor.randint(0..<10, [64], generator: generator)
        let isCheckpointing = arguments.first == "checkpointing"
        let classifier = try Classifier(
            Backbones.named("tf_efficientnet_lite0"), classCount: 10,
            options: .init(backbone: .init(gradientCheckpointing: isCheckpointing)), seed: 0)
        let suffix = isCheckpointing ? ".checkpointing" : ""
        classifier.isTraining = true
        let optimizer = Optimizer(.adam(), classifier.store.parameters, learningRate: 1e-4)
        return [1, 2].map { threads in
            Machine.threads = threads
            return measuringMemory {
                measure("classifier-step.\(threads)\(suffix)", threads: threads, warmup: 2, repetitions: 7) {
                    optimizer.zeroGrad()
                    crossEntropy(classifier(images), labels).backward()
                    optimizer.step()
                }
            }
        }
    }
}
