/// The items of a data set by what a run uses them for: for each environment DomainBed's *in* (training) and *out*
/// (validation) parts, and the unseen items, which are in neither.
public struct Split: Sendable, Equatable {
    /// Training items of each environment, the added ones behind the domains: indices into ``ImageFolder/items``.
    public let training: [[Int]]
    /// Validation items of each environment; added ones have none.
    public let validation: [[Int]]
    /// Items of each test environment that are kept for domain adaptation (DomainBed's *uda*), without labels.
    public let adaptation: [[Int]]
    /// Items of each environment that no split may hold, shuffled: some algorithms predict by the other images of a batch.
    public let unseen: [[Int]]
    /// Whether minibatches hold every class of an environment equally often.
    public let isClassBalanced: Bool

    /// Splits every environment as DomainBed does: a shuffle seeded by `seedHash(trialSeed, environment)`, of which the
    /// first `holdoutFraction` (rounded down) is the validation part. The rest of a test environment is shuffled again
    /// with the same seed, and its first `adaptationFraction` kept for adaptation. Generated items are trained on, behind the
    /// others; the split of those is what it is without them.
    public init(
        _ dataset: ImageFolder, trialSeed: Int, holdoutFraction: Double = 0.2, testEnvironments: [Int] = [],
        adaptationFraction: Double = 0, isClassBalanced: Bool = false
    ) {
        var training: [[Int]] = []
        var validation: [[Int]] = []
        var adaptation: [[Int]] = []
        var unseen: [[Int]] = []
        for environment in dataset.allEnvironments {
            let items = dataset.items.indices.filter {
                dataset.items[$0].environment == environment && !dataset.items[$0].isUnseen
                    && !dataset.items[$0].isGenerated
            }
            let seed = UInt32(seedHash(.int(trialSeed), .int(environment)))
            let (held, kept) = Self.parts(items, first: holdoutFraction, seed: seed)
            validation.append(held)
            let isTest = testEnvironments.contains(environment)
            let (uda, rest) = isTest ? Self.parts(kept, first: adaptationFraction, seed: seed) : ([], kept)
            adaptation.append(uda)
            let generated = dataset.items.indices.filter {
                dataset.items[$0].environment == environment && dataset.items[$0].isGenerated
            }
            training.append(rest + generated)
            let others = dataset.items.indices.filter {
                dataset.items[$0].environment == environment && dataset.items[$0].isUnseen
            }
            unseen.append(Self.parts(others, first: 0, seed: seed).1)
        }
        self.training = training
        self.validation = validation
        self.adaptation = adaptation
        self.isClassBalanced = isClassBalanced
        self.unseen = unseen
    }

    /// All items of each environment, shuffled.
    public static func shuffledDomains(_ dataset: ImageFolder) -> [[Int]] {
        dataset.environments.indices.map { environment in
            let items = dataset.items.indices.filter { dataset.items[$0].environment == environment }
            return parts(items, first: 0, seed: UInt32(environment)).1
        }
    }

    /// DomainBed's `split_dataset`.
    private static func parts(_ items: [Int], first fraction: Double, seed: UInt32) -> ([Int], [Int]) {
        var generator = MersenneTwister(seed: seed)
        let order = generator.permutation(items.count).map { items[$0] }
        let count = Int(Double(items.count) * fraction)
        return (Array(order[..<count]), Array(order[count...]))
    }
}

/// The weight of each item when classes are balanced: 1 / (items of its class × classes that occur). Their sum is 1.
public func classBalancedWeights(_ labels: [Int]) -> [Double] {
    let counts = Dictionary(labels.map { ($0, 1) }, uniquingKeysWith: +)
    return labels.map { 1 / Double((counts[$0] ?? 1) * counts.count) }
}
