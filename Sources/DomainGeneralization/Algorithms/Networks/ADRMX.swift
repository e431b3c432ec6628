import Backbones
import Foundations
import Pixels
import Torch

/// Additive disentanglement of domain features with remix (ADRMX; Demirel and others 2023). Two backbones make label features l
/// and domain features d of an image; `c = l − d` is to hold no domain:
/// `L = CE(h₁(l), y) + CE(h₂(c), y) + α·CE(h₃(d), e) + β·R + γ·(S(l) + S(c)) − δ·CE(D(c), e)`, in turn with a discriminator D
/// that minimises `CE(D(c), e)`. S is a supervised contrastive loss, and R the sum over the classes of `CE(h₁(c_i + d_j), y_i)`
/// by their number. h₁(l) predicts.
///
/// DomainBed means to draw i and j from the class, but takes the places within the class for those within the step: with m
/// images of a class, two of the first m of all. So does ours. Its contrastive loss divides by the number of images plus one,
/// and weighs images of the own and of other domains alike. Its optimisers have no weight decay.
public final class ADRMX: RandomizedAlgorithm {
    /// How ``ADRMX`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "ADRMX", "Domain features are learnt beside, and taken from the label's (Demirel and others 2023).",
        paper: "https://arxiv.org/abs/2308.06624", ADRMXSettings.self,
        predictor: { _, classifier, _ in LabelNetwork(classifier).logits }
    ) { try ADRMX($0, context: $1) }

    /// The label's network, whose linear layer has two more before it; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The optimiser of both backbones and the three heads.
    public let training: TrainingStep
    private let settings: ADRMXSettings
    private let network: LabelNetwork
    /// The network of the domain's features; its own linear layer is not used.
    private let domain: Classifier
    private let heads: ParameterStore
    private let combinedHead, domainHead, adversary: Perceptron
    private let discriminator: LearnedPart
    private let draws: StepDraws

    /// Builds both networks, the heads and the discriminator for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(_ settings: ADRMXSettings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        domain = try context.makeClassifier()
        self.settings = settings
        network = LabelNetwork(classifier)
        draws = StepDraws(context, "ADRMX")
        let width = classifier.featureCount
        let domains = context.trainingEnvironments.count
        func store(_ name: String) -> ParameterStore {
            ParameterStore(seed: UInt64(seedHash(.int(context.seed), .string(name))), device: context.device)
        }
        heads = store("heads")
        combinedHead = Perceptron(
            heads.root / "combined", widths: LabelNetwork.widths(width) + [classifier.classCount])
        domainHead = Perceptron(heads.root / "domain", widths: LabelNetwork.widths(width) + [domains])
        var optimizer = context.optimizer
        optimizer.weightDecay = 0
        let rule = OptimizerRule.adam(beta1: settings.beta1, beta2: 0.9)
        training = TrainingStep(
            groups: classifier.parameterGroups + domain.bodyGroups + [ParameterGroup(heads.parameters)],
            settings: optimizer, rule: rule)
        let adversaryStore = store("discriminator")
        let hidden = [Int](repeating: settings.width, count: settings.depth - 1)
        adversary = Perceptron(adversaryStore.root / "layers", widths: [width] + hidden + [domains])
        discriminator = LearnedPart(adversaryStore, optimizer: optimizer, rule: rule)
    }

    /// For each class the two rows that are remixed; none for a class with fewer than two images.
    public func draw(for minibatches: [Minibatch], step: Int) -> [[Int]] {
        var generator = draws.generator(step: step)
        var counts = [Int](repeating: 0, count: classifier.classCount)
        for label in minibatches.labels.scalars(Int.self) { counts[label] += 1 }
        return counts.map { $0 < 2 ? [] : Array(generator.permutation($0).prefix(2)) }
    }

    /// One step: `discriminatorSteps` times of the discriminator, then once of the networks; logs `loss_disc`, and then
    /// `loss_total` with its parts.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], _ pairs: [[Int]], step: Int) throws -> [Metric] {
        let (inputs, labels, domains) = (minibatches.inputs, minibatches.labels, minibatches.domains)
        if (step + 1) % (1 + settings.discriminatorSteps) < settings.discriminatorSteps {
            let combined = noGrad {
                let (label, domain) = features(inputs)
                return label - domain
            }
            let loss = crossEntropy(discriminate(combined), domains)
            return [Metric("loss_disc", try discriminator.training.minimise(loss, step: step))]
        }
        let (label, domain) = features(inputs)
        let combined = label - domain
        let logits = network.logits(label)
        let imagePairs = ImagePairs(labels: labels, domains: domains)
        let parts: [(name: String, weight: Double, loss: Tensor)] = [
            ("loss_clf_int", 1, crossEntropy(logits, labels)),
            ("loss_clf_fin", 1, crossEntropy(combinedHead(combined), labels)),
            ("loss_dmn", settings.domainWeight, crossEntropy(domainHead(domain), domains)),
            ("loss_remixed", settings.remixWeight, remixed(combined, domain, labels, pairs)),
            ("loss_cnt_int", settings.contrastWeight, supervisedContrast(label, imagePairs)),
            ("loss_cnt_final", settings.contrastWeight, supervisedContrast(combined, imagePairs)),
            ("loss_disc", -settings.adversarialWeight, crossEntropy(discriminate(combined), domains)),
        ]
        let value = try training.minimise(parts.map { $0.weight * $0.loss }.total, logits: logits, step: step)
        return [Metric("loss_total", value)] + parts.map { Metric($0.name, $0.loss.item()) }
    }

    /// Label and domain features of images, [N, F] each.
    private func features(_ inputs: ClassifierInput) -> (label: Tensor, domain: Tensor) {
        let label = classifier.features(inputs)
        domain.isTraining = classifier.isTraining
        domain.generator.state = classifier.generator.state
        return (label, domain.features(inputs))
    }

    private func remixed(_ combined: Tensor, _ domain: Tensor, _ labels: Tensor, _ pairs: [[Int]]) -> Tensor {
        let used = pairs.filter { !$0.isEmpty }
        guard !used.isEmpty else { return .zeros([], device: labels.device) }
        let first = Tensor(used.map { $0[0] }, device: labels.device)
        let second = Tensor(used.map { $0[1] }, device: labels.device)
        let logits = network.logits(combined.indexSelect(0, first) + domain.indexSelect(0, second))
        return crossEntropy(logits, labels.indexSelect(0, first), reduction: .sum) / Double(pairs.count)
    }

    private func discriminate(_ features: Tensor) -> Tensor {
        adversary(features) { x in
            (classifier.isTraining ? x.dropout(settings.dropout, generator: classifier.generator) : x).relu()
        }
    }

    /// Logits [N, classes] of normalised images by their label features.
    public func predict(_ input: ClassifierInput) -> Tensor { network.logits(input) }

    /// The optimiser's state, the domain's network, the other heads, and the discriminator with its own.
    public var state: AlgorithmState {
        training.state.adding("domain", domain.store.state).adding("heads", heads.state)
            .adding("discriminator", discriminator)
    }

    /// Takes up what ``state`` has kept.
    /// - Parameter name: what errors call it, its path.
    /// - Throws: `UserError` when tensors are missing or have other shapes.
    public func load(_ state: AlgorithmState, name: String) throws {
        try training.load(state, name: name)
        try domain.store.load(state.part("domain"), name: name)
        try heads.load(state.part("heads"), name: name)
        try discriminator.load("discriminator", of: state, name: name)
    }

    /// A classifier with a head of three layers (DomainBed's nonlinear classifier): from F features to F/2, F/4 and the
    /// classes.
    private struct LabelNetwork {
        private let classifier: Classifier
        private let hidden: Perceptron

        /// Changes the classifier: its linear layer takes F/4 numbers, and two layers before it are among its parameters.
        init(_ classifier: Classifier) {
            self.classifier = classifier
            let widths = Self.widths(classifier.featureCount)
            let (store, key, width) = (classifier.store, classifier.description.headKey, widths[2])
            let bound = 1 / Double(width).squareRoot()
            for (name, shape) in [("weight", [classifier.classCount, width]), ("bias", [classifier.classCount])] {
                let fresh = Tensor.empty(shape, device: classifier.generator.device)
                fresh.uniform_(from: -bound, to: bound, generator: classifier.generator)
                store.replace("\(key).\(name)", with: fresh)
            }
            hidden = Perceptron(store.root / key / "hidden", widths: widths)
        }

        /// F, F/2 and F/4.
        static func widths(_ count: Int) -> [Int] { [count, max(1, count / 2), max(1, count / 4)] }

        /// Logits [N, classes] of label features [N, F].
        func logits(_ features: Tensor) -> Tensor { classifier.logits(hidden(features).relu()) }

        /// Logits [N, classes] of images.
        func logits(_ input: ClassifierInput) -> Tensor { logits(classifier.features(input)) }
    }
}
