import Foundation
import Foundations
import Pixels

/// What a data set's files are like: which cannot be read, and which are the same.
public struct DatasetCheck: Sendable {
    /// One line for each file that cannot be decoded.
    public let unreadable: [String]
    /// One line for each file of which only a part is read: an animation.
    public let notes: [String]
    /// Groups of files of exactly the same bytes.
    public let duplicates: [[String]]

    /// Reads and decodes every image.
    /// - Parameters:
    ///   - threads: how many files are decoded at a time.
    ///   - progress: called after each image with the numbers of images done and of all, from several threads.
    public init(
        _ dataset: ImageFolder, threads: Int, progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }
    ) throws {
        let images = try ImageCache(dataset, threads: threads, budget: 0, progress: progress)
        unreadable = images.failures.map(\.reason)
        notes = images.notes
        let withoutBytes = ["", SHA256Sum.of("")]
        var groups: [String: [String]] = [:]
        for (item, sum) in zip(dataset.items, images.sums) where !withoutBytes.contains(sum) {
            groups[sum, default: []].append(item.path)
        }
        duplicates = groups.values.filter { $0.count > 1 }.sorted { $0[0] < $1[0] }
    }
}
