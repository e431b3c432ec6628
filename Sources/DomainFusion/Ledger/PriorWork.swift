import Diffusion
import Foundations

/// What was done for a run before it began: the fine-tuning of the diffusion models that it asks, and images that were generated before
/// training.
public struct PriorWork: Codable, Sendable, Equatable {
    /// Images that were generated for those that the run takes, with those that a selection dropped.
    public var images = 0
    /// Forward passes of the U-Net for them, one image each.
    public var unetEvaluations = 0
    /// Images that the autoencoder encoded or decoded for them.
    public var vaePasses = 0
    /// Seconds of their generation, of all processes together.
    public var seconds = 0.0
    /// Bytes of their files.
    public var bytes = 0
    /// What the models were taught.
    public var models: [Model] = []

    /// What a model was taught.
    public struct Model: Codable, Sendable, Equatable {
        /// The domain that it is for; nil where it is for all.
        public var domain: String?
        /// What it was taught.
        public var record: FineTuningRecord

        /// The record of a model, for one domain or for all.
        public init(_ record: FineTuningRecord, domain: String? = nil) {
            (self.record, self.domain) = (record, domain)
        }
    }

    /// Nothing that was done.
    public init() {}

    /// The work for models alone.
    public init(models: [Model]) { self.models = models }

    /// What was done for a folder of generated images.
    init(_ ledger: Ledger) {
        self = ledger.before ?? PriorWork()
        images += ledger.generatedUsed
        unetEvaluations += ledger.unetEvaluations
        vaePasses += ledger.vaePasses
        seconds += ledger.seconds.values.reduce(0, +)
        bytes += ledger.bytes
    }

    /// The fine-tunings, each once.
    private var records: [FineTuningRecord] {
        models.flatMap(\.record.all).reduce(into: []) { list, record in
            var alone = record
            alone.before = []
            if !list.contains(alone) { list.append(alone) }
        }
    }

    /// Updates of the models' weights.
    public var fineTuningSteps: Int { records.reduce(0) { $0 + $1.steps } }
    /// Seconds of these updates.
    public var fineTuningSeconds: Double { records.reduce(0) { $0 + $1.seconds } }

    /// Adds other work.
    public mutating func add(_ other: PriorWork) {
        images += other.images
        unetEvaluations += other.unetEvaluations
        vaePasses += other.vaePasses
        seconds += other.seconds
        bytes += other.bytes
        models += other.models.filter { !models.contains($0) }
    }

    /// A share of the generated images' work, with the models of some domains.
    func share(_ share: Double, domains: Set<String>) -> PriorWork {
        func part(_ count: Int) -> Int { Int((share * Double(count)).rounded()) }
        var result = PriorWork(models: models.filter { $0.domain.map(domains.contains) ?? true })
        (result.images, result.bytes, result.seconds) = (part(images), part(bytes), share * seconds)
        (result.unetEvaluations, result.vaePasses) = (part(unetEvaluations), part(vaePasses))
        return result
    }

    /// Makes sure that no model has learned from a held-out domain.
    /// - Parameter folder: what the models made, for errors.
    /// - Throws: `UserError` naming the domain.
    public func check(held: [String], of data: String, folder: String? = nil) throws {
        // What the model of a held-out domain makes is not taken.
        for model in models where !(model.domain.map(held.contains) ?? false) {
            guard let seen = held.first(where: { model.record.hasSeen($0, of: data) }) else { continue }
            let subject = folder.map { "\($0): its diffusion model" } ?? "the diffusion model"
            throw UserError(
                "\(subject) was fine-tuned on \(seen), which this run holds out; fine-tune one on the others "
                    + "(domainfusion ldm finetune --domains …)")
        }
    }
}
