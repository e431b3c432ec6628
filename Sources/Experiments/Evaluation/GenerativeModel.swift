import DomainFusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Torch

/// The classifier of a finished ``GenerativeRun``, for evaluation and prediction.
public struct GenerativeModel {
    /// The settings of the run.
    public let configuration: RunConfiguration
    /// The classes' names, in the order of the probabilities.
    public let classes: [String]
    /// What the diffusion model was asked for.
    public private(set) var ledger = Ledger()
    private let classifier: GenerativeClassifier

    /// Whether a folder holds such a run.
    public static func isRun(_ path: String) -> Bool {
        (try? RunDirectory(existing: path).configuration()).map { GenerativeRun.isAsked(by: $0) } ?? false
    }

    /// Loads the model of a finished run, with the weights that were fitted.
    /// - Throws: a one-line error for a run that is not finished, or another model than it was fitted with.
    public init(run path: String, device: String = "auto", threads: Int) throws {
        Machine.threads = max(1, threads)
        let run = try RunDirectory(existing: path)
        guard run.isDone else {
            throw UserError("\(path): this run is not done; finish it with 'domainfusion train' first")
        }
        for name in ["config.yaml", "classes.json", EvaluationRecord.file] { try RunSeal.check(name, in: path) }
        let file = "\(path)/\(EvaluationRecord.file)"
        guard let data = Files.contents(file), let result = JSONValue(json: data)?["result"],
            let fit = try? result.decoded(as: GenerativeRun.Fit.self),
            let names = Files.contents("\(path)/classes.json"),
            let classes = try? JSONDecoder().decode([String].self, from: names)
        else { throw UserError("\(file): missing or damaged; train this run again with --restart") }
        configuration = try run.configuration()
        self.classes = classes
        var classifier = try configuration.generativeClassifier(
            classes: classes, device: device, store: configuration.store)
        guard classifier.fingerprint == fit.model else {
            throw UserError(
                "\(classifier.settings.ldm): is not the diffusion model that \(path) was fitted with; restore that, or train this "
                    + "run again with --restart")
        }
        classifier.weights = fit.timeWeights
        self.classifier = classifier
    }

    /// Class probabilities of images, each in the order of ``classes``.
    /// - Parameter poll: called between images; what it throws ends the work.
    /// - Throws: a one-line error of the diffusion model or the store.
    public mutating func probabilities(
        _ images: [RGBImage], poll: () throws -> Void = Interruption.poll
    ) throws -> [[Double]] {
        try images.map { image in
            try poll()
            return softmax(try classifier.logits(of: image, ledger: &ledger))
        }
    }

    /// How the model does on every domain of a data set that has the same classes.
    /// - Parameters:
    ///   - warn: told of images that are left out.
    ///   - report: told of the images that are done, of all.
    ///   - poll: called between images; what it throws ends the work, and what was done is kept in the store.
    /// - Throws: `UserError` for other classes, or an image that cannot be read.
    public mutating func scores(
        on dataset: ImageFolder, threads: Int, warn: (String) -> Void = { _ in },
        report: (Int, Int) -> Void = { _, _ in }, poll: () throws -> Void = Interruption.poll
    ) throws -> [Score] {
        guard dataset.classes == classes else {
            throw UserError(
                "\(dataset.root): its classes (\(dataset.classes.joined(separator: ", "))) are not the model's "
                    + "(\(classes.joined(separator: ", ")))")
        }
        let data = try ReadableImages(
            dataset, skipCorrupt: configuration.skipCorrupt, threads: threads, budget: 0,
            remedy: "see 'domainfusion data check \(dataset.root)'", warn: warn)
        let items = data.dataset.items
        var predictions: [Prediction] = []
        for (index, item) in items.enumerated() {
            try poll()
            let logits = try classifier.logits(of: data.images.image(item), ledger: &ledger)
            predictions.append(Prediction(item: index, label: item.label, logits: logits))
            report(index + 1, items.count)
        }
        return data.dataset.environments.indices.map { environment in
            Score(predictions: predictions.filter { items[$0.item].environment == environment })
        }
    }
}
