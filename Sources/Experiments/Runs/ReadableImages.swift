import DomainGeneralization
import Foundations

/// A data set with its images decoded, without those that cannot be read where that is allowed.
///
/// Of a large data set (of DomainBed's, DomainNet) a sample is decoded, and none is kept: all would take long, and few of them
/// fit into memory.
struct ReadableImages {
    let dataset: ImageFolder
    let images: ImageCache

    /// - Parameters:
    ///   - skipCorrupt: leaves out images that cannot be read, which takes all of them decoded; otherwise the first is an error.
    ///   - budget: bytes of decoded images that are kept.
    ///   - largestWhole: the most images that are all decoded; more make a data set large.
    ///   - sampleSize: how many are decoded of a large one.
    ///   - remedy: what else can be done about them, for the error.
    ///   - warn: told of what is left out.
    /// - Throws: `UserError` naming the first image that cannot be read, or a domain of which none can.
    init(
        _ folder: ImageFolder, skipCorrupt: Bool, threads: Int, budget: Int = 1 << 30,
        largestWhole: Int = 100_000, sampleSize: Int = 1000, remedy: String,
        progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }, warn: (String) -> Void
    ) throws {
        let isLarge = folder.items.count > largestWhole && !skipCorrupt
        let sample = isLarge ? folder.sample(sampleSize) : nil
        if let sample {
            warn(
                "\(folder.root): \(folder.items.count) images, of which \(sample.count) are read before the start; "
                    + "'domainfusion data check' reads all")
        }
        images = try ImageCache(
            folder, sample: sample, threads: threads, budget: isLarge ? 0 : budget, progress: progress)
        if let first = images.notes.first { warn(first + Self.others(images.notes.count)) }
        guard let first = images.failures.first else {
            dataset = folder
            return
        }
        let others = Self.others(images.failures.count)
        guard skipCorrupt else { throw UserError("\(first.reason)\(others); \(remedy)") }
        warn("left out \(images.failures.count) images that cannot be read: \(first.reason)\(others)")
        dataset = folder.removing(Set(images.failures.map(\.item)))
        for (name, counts) in zip(dataset.environments, dataset.counts) where counts.allSatisfy({ $0 == 0 }) {
            throw UserError("\(folder.root)/\(name): no image of this domain can be read; restore it from its source")
        }
    }

    private static func others(_ count: Int) -> String {
        switch count {
        case 1: ""
        case 2: " (and 1 file more)"
        default: " (and \(count - 1) files more)"
        }
    }
}
