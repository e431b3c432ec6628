import DomainGeneralization
import Foundations

/// A data set with its images decoded, without those that cannot be read where that is allowed.
struct ReadableImages {
    let dataset: ImageFolder
    let images: ImageCache

    /// - Parameters:
    ///   - skipCorrupt: leaves out images that cannot be read; otherwise the first is an error.
    ///   - budget: bytes of decoded images that are kept.
    ///   - remedy: what else can be done about them, for the error.
    ///   - warn: told of what is left out.
    /// - Throws: `UserError` naming the first image that cannot be read, or a domain of which none can.
    init(
        _ folder: ImageFolder, skipCorrupt: Bool, threads: Int, budget: Int = 1 << 30, remedy: String,
        progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }, warn: (String) -> Void
    ) throws {
        images = try ImageCache(folder, threads: threads, budget: budget, progress: progress)
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
