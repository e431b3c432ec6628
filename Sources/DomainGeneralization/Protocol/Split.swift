/// The items of a data set by what a run uses them for: for each environment DomainBed's *in* (training) and *out*
/// (validation) parts, and the unseen items, which are in neither.
public struct Split: Sendable, Equatable {
    /// Training items of each environment: indices into ``ImageFolder/items``.
    public let training: [[Int]]
    /// Validation items of each environment.
    public let validation: [[Int]]
    /// Items of each environment that no split may hold.
    public let unseen: [[Int]]

    /// Splits every environment as DomainBed does: a shuffle seeded by `seedHash(trialSeed, environment)`, of which the
    /// first `holdoutFraction` (rounded down) is the validation part.
    public init(_ dataset: ImageFolder, trialSeed: Int, holdoutFraction: Double = 0.2) {
        var training: [[Int]] = []
        var validation: [[Int]] = []
        for environment in dataset.environments.indices {
            let items = dataset.items.indices.filter {
                dataset.items[$0].environment == environment && !dataset.items[$0].isUnseen
            }
            var generator = MersenneTwister(seed: UInt32(seedHash(.int(trialSeed), .int(environment))))
            let order = generator.permutation(items.count).map { items[$0] }
            let held = Int(Double(items.count) * holdoutFraction)
            validation.append(Array(order[..<held]))
            training.append(Array(order[held...]))
        }
        self.training = training
        self.validation = validation
        unseen = dataset.environments.indices.map { environment in
            dataset.items.indices.filter {
                dataset.items[$0].environment == environment && dataset.items[$0].isUnseen
            }
        }
    }
}
