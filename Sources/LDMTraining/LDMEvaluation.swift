import Backbones
import Diffusion
import DomainFusion
import DomainGeneralization
import Foundation
import Foundations
import Torch

/// How good a small LDM is, in numbers: what its model card says.
public struct LDMEvaluation: Codable, Sendable {
    /// Peak signal-to-noise ratio of the VAE's reconstructions of held-out items, in decibels.
    public let reconstructionPSNR: Double
    /// Mean absolute error of opponent colours in the VAE's reconstructions of held-out items, in [0, 1].
    public let opponentColourError: Double
    /// A judge's accuracy on real held-out images, and on generated ones: the class and the style that the prompt names.
    public let classJudgeOnReal: Double
    /// The class judge's accuracy on generated images, by the class that the prompt names, in 0…1.
    public let classJudgeOnGenerated: Double
    /// The style judge's accuracy on real held-out images, in 0…1.
    public let styleJudgeOnReal: Double
    /// The style judge's accuracy on generated images, by the style that the prompt names, in 0…1.
    public let styleJudgeOnGenerated: Double
    /// Share of real held-out images whose class the LDM finds by its noise-prediction error under prompts that name no
    /// style, and under those that name the image's own; and the largest class's.
    public let ldmAsClassifier: Double
    /// As ``ldmAsClassifier``, with each image's own style in the prompts.
    public let ldmAsClassifierInStyle: Double
    /// Share of the largest class among the held-out images: what guessing it always would reach.
    public let largestClass: Double
    /// Number of generated images that were judged.
    public let generated: Int
    /// Number of held-out images that were judged.
    public let heldOut: Int

    /// How much is generated and trained for the judgement.
    public struct Options: Sendable {
        /// Images generated of each class in each style.
        public var imagesPerCell = 6
        /// How images are generated.
        public var settings = SampleSheet.defaultSettings
        /// Training steps of each judge.
        public var judgeSteps = 400
        /// Draws of noise and time step for each image and prompt, when the LDM classifies.
        public var draws = 8
        /// The seed of judges, images and noise.
        public var seed: UInt64 = 0

        /// Six images of each class in each style, judged after 400 steps of training.
        public init() {}
    }

    /// Generates images, trains the judges and measures; this takes minutes.
    /// - Parameters:
    ///   - corpus: what the model was trained on; the judges are fine-tuned on its training part.
    ///   - weights: ImageNet weights of the judges' backbone.
    public init(
        model: LatentDiffusionModel, corpus: LDMCorpus, weights: String, options: Options, report: (String) -> Void
    ) throws {
        let quality = ReconstructionQuality(model.vae, images: corpus.heldOut.images)
        reconstructionPSNR = quality.psnr
        opponentColourError = quality.opponentColourError
        report("reconstruction: \(quality)")

        let classes = corpus.classes
        let styles = Set(corpus.entries.map(\.style)).sorted()
        let train = corpus.training.ofClasses
        let test = corpus.heldOut.ofClasses
        heldOut = test.entries.count
        func classOf(_ entry: LDMCorpus.Entry) -> Int { classes.firstIndex(of: entry.kind) ?? 0 }
        func styleOf(_ entry: LDMCorpus.Entry) -> Int { styles.firstIndex(of: entry.style) ?? 0 }

        let classJudge = try CorpusJudge(
            train.images, labels: train.entries.map(classOf), classes: classes.count, weights: weights,
            steps: options.judgeSteps, seed: options.seed)
        let styleJudge = try CorpusJudge(
            train.images, labels: train.entries.map(styleOf), classes: styles.count, weights: weights,
            steps: options.judgeSteps / 2, seed: options.seed)
        classJudgeOnReal = classJudge.accuracy(test.images.to(dtype: .float32) / 255, labels: test.entries.map(classOf))
        styleJudgeOnReal = styleJudge.accuracy(test.images.to(dtype: .float32) / 255, labels: test.entries.map(styleOf))
        report("judges on real images: class \(classJudgeOnReal), style \(styleJudgeOnReal)")

        var prompts: [String] = []
        var wantedClasses: [Int] = []
        var wantedStyles: [Int] = []
        let words = corpus.entries.first?.words ?? .dataset
        for (classIndex, name) in classes.enumerated() {
            for (styleIndex, style) in styles.enumerated() {
                for _ in 0..<options.imagesPerCell {
                    prompts.append(Caption.prompt(Caption.prompt(words.styled, style: style), class: name))
                    wantedClasses.append(classIndex)
                    wantedStyles.append(styleIndex)
                }
            }
        }
        let images = try model.textToImage(
            prompts, settings: options.settings, seeds: prompts.indices.map { options.seed &+ UInt64($0) })
        generated = prompts.count
        classJudgeOnGenerated = classJudge.accuracy(images, labels: wantedClasses)
        styleJudgeOnGenerated = styleJudge.accuracy(images, labels: wantedStyles)
        report("judges on generated images: class \(classJudgeOnGenerated), style \(styleJudgeOnGenerated)")

        var settings = LatentDistillationSettings()
        settings.draws = options.draws
        settings.timeWeight = .one
        let distillation = LatentDistillation(FrozenDenoiser(model), settings)
        let contexts = model.embed(classes.map { Caption.prompt(words.plain, class: $0) })
        var right = 0
        var rightInStyle = 0
        for (index, entry) in test.entries.enumerated() {
            let image = (test.images[index].to(dtype: .float32) / 255).to(
                device: model.device, dtype: model.workingDType)
            func isRight(_ contexts: Tensor) -> Bool {
                let seed = options.seed &+ UInt64(index)
                return distillation.posterior(image, contexts: contexts, seed: seed).prediction == classOf(entry)
            }
            if isRight(contexts) { right += 1 }
            if isRight(model.embed(classes.map(entry.styledCaption))) { rightInStyle += 1 }
        }
        ldmAsClassifier = Double(right) / Double(max(1, test.entries.count))
        ldmAsClassifierInStyle = Double(rightInStyle) / Double(max(1, test.entries.count))
        let counts = Dictionary(grouping: test.entries, by: classOf).mapValues(\.count)
        largestClass = Double(counts.values.max() ?? 0) / Double(max(1, test.entries.count))
        report(
            "the LDM as a classifier: \(ldmAsClassifier), with the style in the prompts \(ldmAsClassifierInStyle) "
                + "(largest class \(largestClass))")
    }
}

/// A classifier fine-tuned on the LDM's own corpus, to judge generated images by.
struct CorpusJudge {
    private let classifier: Classifier

    /// - Parameters:
    ///   - images: uint8 [N, 3, H, W].
    ///   - labels: their N labels.
    init(_ images: Tensor, labels: [Int], classes: Int, weights: String, steps: Int, seed: UInt64) throws {
        let backbone = try Backbones.named("tf_efficientnet_lite0")
        classifier = try Classifier(
            backbone, classCount: classes, weights: StateDict(contentsOf: weights), name: weights, seed: seed)
        let training = TrainingStep(classifier, settings: OptimizerSettings(learningRate: 3e-4))
        let targets = Tensor(labels.map(Int64.init))
        classifier.isTraining = true
        for step in 0..<steps {
            let generator = Generator(seed: seed &+ UInt64(step) &* 0x9E37_79B9_7F4A_7C15)
            let indices = Tensor.randint(0..<images.size(0), [48], generator: generator)
            let batch = images.indexSelect(0, indices).to(dtype: .float32) / 255
            let flipped = Tensor.rand([1], generator: generator).item() < 0.5 ? batch.flipped(3) : batch
            let loss = crossEntropy(
                classifier(backbone.normalisation(flipped)), targets.indexSelect(0, indices))
            try training.minimise(loss, step: step)
        }
        classifier.isTraining = false
    }

    /// Share of images [N, 3, H, W] in [0, 1] whose label is found.
    func accuracy(_ images: Tensor, labels: [Int]) -> Double {
        var right = 0
        inferenceMode {
            for start in stride(from: 0, to: labels.count, by: 64) {
                let range = start..<min(start + 64, labels.count)
                let predicted = classifier(classifier.description.normalisation(images[range])).argmax(1).scalars(
                    Int.self)
                right += zip(predicted, labels[range]).filter { $0 == $1 }.count
            }
        }
        return Double(right) / Double(max(1, labels.count))
    }
}

/// Where the judges' ImageNet weights lie.
public enum CorpusJudgeWeights {
    /// The path of the weights of the judges' backbone.
    /// - Throws: `UserError` that says how to get them.
    public static func installed() throws -> String {
        guard let found = try Backbones.named("tf_efficientnet_lite0").installedWeights() else {
            throw UserError("no weights of EfficientNet-Lite0; run scripts/bootstrap, or name a file with --weights")
        }
        return found
    }
}
