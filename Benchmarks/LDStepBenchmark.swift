import DomainFusion
import DomainGeneralization
import Diffusion
import Torch

/// A training step with latent distillation in one mode, or LD's term alone, with the embedded LDM; one thread.
struct LDStepBenchmark {
    /// How LD is set.
    struct Setting {
        let name: String
        /// Images of each of four domains.
        let batchSize: Int
        let guidanceScale: Double
        let nodes: Int
    }

    static let settings = [
        Setting(name: "batch32", batchSize: 8, guidanceScale: 7.5, nodes: 13),
        Setting(name: "demo", batchSize: 16, guidanceScale: 1, nodes: 8),
    ]

    let setting: Setting
    let mode: LatentDistillationSettings.Mode
    /// LD's loss and its gradient in the confidences, without the classifier.
    let isTerm: Bool

    static var all: [LDStepBenchmark] {
        settings.flatMap { setting in
            LatentDistillationSettings.Mode.allCases.flatMap { mode in
                (mode == .off ? [false] : [false, true]).map {
                    LDStepBenchmark(setting: setting, mode: mode, isTerm: $0)
                }
            }
        }
    }

    var name: String { "ld-step.\(setting.name).\(isTerm ? "term" : "step").\(mode.rawValue)" }

    func run() throws -> Measurement {
        Machine.threads = 1
        return try isTerm ? term() : step()
    }

    private var distillation: LatentDistillationSettings {
        var settings = LatentDistillationSettings()
        settings.mode = mode
        settings.guidanceScale = setting.guidanceScale
        settings.nodes = setting.nodes
        settings.draws = 1  // how many went into a curve does not change the time to look it up
        return settings
    }

    /// Forward, cross-entropy and LD, backward, Adam.
    private func step() throws -> Measurement {
        let run = try NoiseRun(batchSize: setting.batchSize)
        let algorithm = try DomainFusionAlgorithm(
            Self.settings(distillation), context: run.context)
        algorithm.classifier.isTraining = true
        var step = 0
        return try measuringMemory {
            try measure(name, threads: 1, warmup: 2, repetitions: 5) {
                _ = try algorithm.update(run.minibatches[step % run.minibatches.count], step: step)
                step += 1
            }
        }
    }

    private func term() throws -> Measurement {
        let run = try NoiseRun(batchSize: setting.batchSize)
        let diffusion = try RunDiffusionModel(
            Self.model, dtype: .float32, imageSize: 0, styles: [:], isDistilled: true, context: run.context)
        let term = try LatentDistillationTerm(distillation, diffusion)
        let items = run.minibatches[0].flatMap(\.items)
        let labels = run.minibatches[0].labels
        let generator = Generator(seed: 0)
        let views = Tensor.rand([items.count, 3, 64, 64], generator: generator).contiguous(.channelsLast)
        let logits = Tensor.rand([items.count, run.context.classes.count], generator: generator)
        logits.requiresGrad = true
        var step = 0
        return try measuringMemory {
            try measure(name, threads: 1, warmup: 2, repetitions: 5) {
                logits.grad = nil
                let images = ClassifiedImages(images: views, labels: labels, items: items, logits: logits)
                try term.loss(images, step: step).loss.backward()
                step += 1
            }
        }
    }

    static let model = "Models/emoji-ldm"

    /// LD alone.
    static func settings(_ distillation: LatentDistillationSettings) -> DomainFusionAlgorithm.Settings {
        var settings = DomainFusionAlgorithm.Settings()
        settings.ldm = model
        settings.distillation = distillation
        settings.augmentation.weight = 0
        return settings
    }
}

/// What LD by curves adds to a training step of the demo: steps of ERM and of LD in turns, in one process, one thread.
enum LDOverheadBenchmark {
    static func run() throws -> [Measurement] {
        Machine.threads = 1
        let run = try NoiseRun(batchSize: 16)
        var distillation = LatentDistillationSettings()
        distillation.guidanceScale = 1
        distillation.nodes = 4
        distillation.draws = 1
        let algorithms: [any Algorithm] = [
            try ERM(context: run.context),
            try DomainFusionAlgorithm(LDStepBenchmark.settings(distillation), context: run.context),
        ]
        var samples = [Samples(), Samples()]
        for step in 0..<24 {
            let minibatches = run.minibatches[step % run.minibatches.count]
            for (index, algorithm) in algorithms.enumerated() {
                if step == 0 { algorithm.classifier.isTraining = true }
                let update = { _ = try algorithm.update(minibatches, step: step) }
                if step < 2 { try update() } else { try samples[index].add(update) }
            }
        }
        return zip(samples, ["erm", "curve"]).map { $0.measurement("ld-overhead.\($1)", threads: 1) }
    }
}
