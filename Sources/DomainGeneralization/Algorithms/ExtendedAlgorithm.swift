import Backbones
import Foundations
import Torch

/// An algorithm with terms added to its loss, and images added to its minibatches.
///
/// The images join the minibatches of their environments, after the source images. The terms see the source images, with the others
/// beside them (``ClassifiedImages/added``), and are added to the first loss of a step that ``training`` minimises: of algorithms with several, the classifier's first.
public final class ExtendedAlgorithm: Algorithm {
    private let base: any Algorithm
    private let terms: [any LossTerm]
    private let sources: [any MinibatchSource]

    /// Adds terms and images to an algorithm, whose own steps it takes.
    /// - Throws: a one-line error for a network that a term cannot look into.
    public init(_ base: any Algorithm, terms: [any LossTerm], sources: [any MinibatchSource]) throws {
        self.base = base
        self.terms = terms
        self.sources = sources
        for term in terms { try term.begin(with: base.classifier) }
    }

    /// The network of the algorithm.
    public var classifier: Classifier { base.classifier }
    /// The optimiser of the algorithm, which adds the terms to the loss.
    public var training: TrainingStep { base.training }
    /// The algorithm's reason, or that of a term.
    public var whyOneProcess: String? { base.whyOneProcess ?? terms.lazy.compactMap(\.whyOneProcess).first }
    /// The state of the algorithm, and what terms have learned with their optimisers; images keep none.
    public var state: AlgorithmState {
        learned.reduce(base.state) { $0.adding($1.name, $1.learned) }
    }

    private var learned: [(name: String, learned: LearnedPart)] {
        terms.enumerated().compactMap { index, term in term.learned.map { ("term\(index)", $0) } }
    }

    /// One step of the algorithm on the joined minibatches, with the terms in its loss; logs theirs, too.
    /// - Throws: what the algorithm, a term or a source of images throws; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        var metrics: [Metric] = []
        var more: [Minibatch] = []
        for source in sources {
            let found = try source.minibatches(step: step, part: training.part, beside: minibatches)
            more += found.minibatches
            metrics += found.metrics
        }
        let joined = minibatches.map { raw in
            Minibatch.joined([raw] + more.filter { $0.environment == raw.environment })
        }
        guard !terms.isEmpty else { return try base.update(joined, step: step) + metrics }
        let added = AddedLoss(terms, minibatches, joined: joined, predict: base.predict, step: step)
        training.addedLoss = added
        defer { training.addedLoss = nil }
        return try base.update(joined, step: step) + metrics + added.metrics
    }

    /// The algorithm's logits [N, classes] for N normalised images.
    public func predict(_ input: ClassifierInput) -> Tensor { base.predict(input) }

    /// Takes up the algorithm's state, and its terms'.
    /// - Parameter name: what errors call it, its path.
    /// - Throws: `UserError` when tensors are missing or have other shapes.
    public func load(_ state: AlgorithmState, name: String) throws {
        try base.load(state, name: name)
        for part in learned { try part.learned.load(part.name, of: state, name: name) }
    }
}

/// The terms of one step.
final class AddedLoss {
    private let terms: [any LossTerm]
    private let minibatches: [Minibatch]
    private let joined: [Minibatch]
    /// The rows of the source images among all that the algorithm sees, and those of the others.
    private let rows: (raw: [Int], added: [Int])
    private let predict: (ClassifierInput) -> Tensor
    private let step: Int
    private var isUsed = false
    private(set) var metrics: [Metric] = []

    /// - Parameters:
    ///   - joined: each minibatch as the algorithm sees it, source images first.
    ///   - predict: asked for logits where the algorithm has none of the images as they are.
    init(
        _ terms: [any LossTerm], _ minibatches: [Minibatch], joined: [Minibatch],
        predict: @escaping (ClassifierInput) -> Tensor, step: Int
    ) {
        self.terms = terms
        self.minibatches = minibatches
        self.joined = joined
        self.predict = predict
        self.step = step
        let sizes = joined.sizes
        let starts = sizes.indices.map { sizes[..<$0].reduce(0, +) }
        let raw = zip(starts, minibatches.sizes).flatMap { Array($0..<$0 + $1) }
        let isRaw = Set(raw)
        rows = (raw, (0..<sizes.reduce(0, +)).filter { !isRaw.contains($0) })
    }

    /// The sum of the terms, a scalar, and what steps along its gradient beside the classifier; nil after the first call.
    /// - Parameter logits: of all images that the algorithm sees as they are, in their order; nil where it has none: then
    ///   the classifier is asked once more.
    func loss(logits: Tensor?) throws -> (loss: Tensor, others: [TrainingStep])? {
        guard !isUsed else { return nil }
        isUsed = true
        let classified = classified(logits)
        var total: Tensor?
        for term in terms {
            let (loss, more) = try term.loss(classified, step: step)
            total = total.map { $0 + loss } ?? loss
            metrics += more
        }
        guard let total else { return nil }
        metrics.append(Metric("added_loss", total.item()))
        return (total, terms.compactMap(\.learned?.training))
    }

    /// The source images, and the added ones beside them.
    private func classified(_ logits: Tensor?) -> ClassifiedImages {
        let raw = minibatches.inputs
        func part(_ rows: [Int]) -> Tensor? { logits?.indexSelect(0, Tensor(rows, device: raw.images.device)) }
        var added: AddedImages?
        if !rows.added.isEmpty {
            let (all, items) = (joined.inputs, joined.flatMap(\.items))
            let index = Tensor(rows.added, device: raw.images.device)
            let isGuest = Set(all.guests)
            added = AddedImages(
                inputs: ClassifierInput(
                    all.images.indexSelect(0, index), frozenFeatures: all.frozenFeatures?.indexSelect(0, index),
                    guests: rows.added.indices.filter { isGuest.contains(rows.added[$0]) }),
                items: rows.added.map { items[$0] }, logits: part(rows.added), predict: predict)
        }
        return ClassifiedImages(
            images: raw.images, labels: minibatches.labels, items: minibatches.flatMap(\.items),
            logits: (added == nil ? logits : part(rows.raw)) ?? predict(raw), frozenFeatures: raw.frozenFeatures,
            added: added)
    }
}
