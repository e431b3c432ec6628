import Foundations
import Pixels
import Torch

/// A run's classifier for images as they come, whichever kind of run it is: a network that was trained, or a diffusion
/// model that is asked about every image.
public struct RunPredictor {
    private enum Kind {
        case network(TrainedModel)
        case generative(GenerativeModel)
    }

    private var kind: Kind

    /// Loads a run's classifier.
    /// - Parameter averaged: takes the averaged model of the run's end.
    /// - Throws: a one-line error for a folder without a run, or without a model that can be used.
    public init(run path: String, averaged: Bool = false, device: String = "auto", threads: Int) throws {
        guard !GenerativeModel.isRun(path) else {
            kind = .generative(try GenerativeModel(run: path, device: device, threads: threads))
            return
        }
        let model = try TrainedModel(run: path, averaged: averaged, device: device, threads: threads)
        // It is asked again and again, and its weights stay.
        model.classifier.store.packsWeights = true
        kind = .network(model)
    }

    /// The classes' names, in the order of the probabilities.
    public var classes: [String] {
        switch kind {
        case .network(let model): model.classes
        case .generative(let model): model.classes
        }
    }

    /// Whether the processor computes the probabilities, and no GPU.
    public var isOnCPU: Bool {
        guard case .network(let model) = kind else { return false }
        return model.device == .cpu
    }

    /// What any thread may do to an image before ``probabilities(_:threads:)``, which are the same with it and without: scaling
    /// it to the network's size. Nil where the image is looked at as it is.
    public var preparation: ImagePipeline? {
        guard case .network(let model) = kind, model.frozenFeatures == nil else { return nil }
        return model.pipeline
    }

    /// Class probabilities of images, each in the order of ``classes``.
    /// - Parameter threads: how many compute, where not as many as the model was loaded with.
    /// - Throws: a one-line error of the network, the diffusion model or the store.
    public mutating func probabilities(_ images: [RGBImage], threads: Int? = nil) throws -> [[Double]] {
        if let threads, Machine.threads != threads { Machine.threads = threads }
        switch kind {
        case .network(let model): return try model.probabilities(images)
        case .generative(var model):
            defer { kind = .generative(model) }
            // Whoever asks decides when to end.
            return try model.probabilities(images, poll: {})
        }
    }

    /// The places of the most probable classes, the first of them first.
    public static func best(_ probabilities: [Double], _ count: Int) -> [Int] {
        Array(probabilities.indices.sorted { probabilities[$0] > probabilities[$1] }.prefix(count))
    }

    /// The most probable classes as JSON: `[{"class": "cat", "probability": 0.93}, …]`.
    public static func json(_ probabilities: [Double], of classes: [String], top count: Int) -> JSONValue {
        .array(
            best(probabilities, count).map {
                .object(["class": .string(classes[$0]), "probability": .double(probabilities[$0])])
            })
    }
}
