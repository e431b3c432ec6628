import DomainFusion
import DomainGeneralization
import Foundation
import Foundations

/// What a method costs beside its accuracy: the mean over its finished runs, from their `ledger.json` and `summary.json`.
public struct MethodCost: Codable, Sendable, Equatable {
    /// The method, or the variant's name.
    public let method: String
    /// Its finished runs.
    public let runs: Int
    /// Images that the diffusion model generated for a run, before or during training, whoever made them; with those that a selection
    /// dropped.
    public let generatedImages: Double
    /// Of those, images that came from the store or a folder: made for another run, too.
    public let sharedImages: Double
    /// Forward passes of the U-Net, one image each, before the run and in it; what it found in the store is not among them.
    public let unetEvaluations: Double
    /// Images that the autoencoder encoded or decoded, counted alike.
    public let vaePasses: Double
    /// Updates of the weights of diffusion models that were fine-tuned for the run.
    public let fineTuningSteps: Double
    /// Bytes that were kept of the diffusion model's work, before the run and in it.
    public let bytes: Double
    /// Seconds of the classifier's training.
    public let trainingSeconds: Double
    /// Seconds of the diffusion model's work, before the run and in it.
    public let diffusionSeconds: Double
    /// Seconds of the diffusion models' fine-tuning.
    public let fineTuningSeconds: Double

    /// The costs of the methods of finished runs, those without a diffusion model among them, by name.
    /// - Parameter folders: those of runs, or of sweeps.
    /// - Throws: `UserError` for a folder without finished runs, or a file of a run that cannot be read.
    public static func all(in folders: [String]) throws -> [MethodCost] {
        let runs = try FinishedRun.all(in: folders)
        return try Dictionary(grouping: runs, by: \.method).sorted { $0.key < $1.key }.map { method, runs in
            try MethodCost(method, runs.map { ($0.summary, try Ledger(path: "\($0.path)/ledger.json")) })
        }
    }

    init(_ method: String, _ runs: [(summary: RunSummary, ledger: Ledger)]) {
        func mean(_ value: ((summary: RunSummary, ledger: Ledger)) -> Double) -> Double {
            runs.reduce(0) { $0 + value($1) } / Double(max(1, runs.count))
        }
        func both(_ before: KeyPath<PriorWork, Int>, _ own: KeyPath<Ledger, Int>) -> Double {
            mean { Double($0.ledger[keyPath: own] + ($0.ledger.before?[keyPath: before] ?? 0)) }
        }
        self.method = method
        self.runs = runs.count
        generatedImages = both(\.images, \.generatedUsed)
        sharedImages = both(\.images, \.generatedFromStore)
        unetEvaluations = both(\.unetEvaluations, \.unetEvaluations)
        vaePasses = both(\.vaePasses, \.vaePasses)
        fineTuningSteps = mean { Double($0.ledger.before?.fineTuningSteps ?? 0) }
        bytes = both(\.bytes, \.bytes)
        trainingSeconds = mean { $0.summary.secondsByWork["classifier"] ?? 0 }
        diffusionSeconds = mean { $0.ledger.seconds.values.reduce($0.ledger.before?.seconds ?? 0, +) }
        fineTuningSeconds = mean { $0.ledger.before?.fineTuningSeconds ?? 0 }
    }
}
