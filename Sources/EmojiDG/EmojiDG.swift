import Foundation
import Foundations
import Pixels

/// EmojiDG, the embedded benchmark: Unicode items drawn by five vendors (domains) in ten classes, 64×64; and the corpus
/// that the embedded LDM is trained on, which shares no item with it.
public enum EmojiDG {
    /// The benchmark's folder name.
    public static let benchmarkName = "EmojiDG"
    /// The LDM corpus' folder name.
    public static let corpusName = "EmojiLDM"

    /// What ``prepare(into:packages:includeLDMCorpus:limit:progress:)`` made or found.
    public struct Summary: Sendable {
        /// One data set and its images.
        public struct DataSet: Sendable {
            /// The name of the data set's folder: ``EmojiDG/benchmarkName`` or ``EmojiDG/corpusName``.
            public let name: String
            /// The images in the order of their paths.
            public let records: [EmojiRecord]
        }

        /// The benchmark, and the corpus where it was asked for.
        public let dataSets: [DataSet]
        /// Nothing was drawn: the folders were as they would have been made.
        public let wasUpToDate: Bool
        /// The widening vendors that the corpus lacks, because their packages are not installed.
        public let absent: [Vendor]
    }

    /// Draws the data sets from the installed packages: `<directory>/EmojiDG/<domain>/<class>/<item>.png` and, if asked
    /// for, `<directory>/EmojiLDM/<style>/<class or subgroup>/<item>.png`, each with a `manifest.jsonl` (see
    /// ``EmojiRecord``) and a `source.json` (the package versions). A folder made before from the same packages is left
    /// alone; any other is replaced as a whole once the new one is complete.
    ///
    /// Exact duplicates within a domain are removed (the first in Unicode's order stays; against an item of the corpus,
    /// the benchmark's goes). Items that a vendor has not drawn are left out.
    ///
    /// - Parameters:
    ///   - limit: the most images of a domain, spread over the classes, for a first look without the corpus: images that the corpus
    ///     has, too, then stay; nil for all.
    ///   - progress: called after each item with the numbers of items drawn and of all items, from several tasks.
    /// - Throws: ``EmojiError`` for a missing package or a folder that cannot be written.
    public static func prepare(
        into directory: String, packages: PackageLocations = .standard(), includeLDMCorpus: Bool = false,
        limit: Int? = nil, progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }
    ) async throws -> Summary {
        let all = try EmojiItem.read(emojiTest: packages.emojiTest)
        let items = limit.map { Self.spread(all.filter { $0.split == .benchmark }, count: $0) } ?? all
        for vendor in Vendor.benchmark { _ = try packages.paths(of: vendor) }
        let widening = Vendor.allCases.filter { !Vendor.benchmark.contains($0) }
        let absent = widening.filter { (try? packages.paths(of: $0)) == nil }
        let vendors = includeLDMCorpus ? Vendor.allCases.filter { !absent.contains($0) } : Vendor.benchmark
        let versions = packages.versions(of: vendors.map(\.package) + [.debian("unicode-data")])
        let folders = [benchmarkName] + (includeLDMCorpus ? [corpusName] : [])

        let source = Source(packages: versions, limit: limit)
        let present = folders.compactMap { name in
            PreparedFolder("\(directory)/\(name)").records(ifMadeFrom: source)
                .map { Summary.DataSet(name: name, records: $0) }
        }
        if present.count == folders.count {
            return Summary(dataSets: present, wasUpToDate: true, absent: includeLDMCorpus ? absent : [])
        }

        let counter = ProgressCounter(total: vendors.count * items.count, report: progress)
        let drawings = try await withThrowingTaskGroup(of: [Drawing].self) { group in
            for vendor in vendors {
                group.addTask {
                    try draw(items, by: vendor, packages: packages, versions: versions, counter: counter)
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }.sorted { $0.record.path < $1.record.path }
        }
        let dataSets = try folders.map { name in
            let split = name == benchmarkName ? EmojiItem.Split.benchmark : .corpus
            let chosen = drawings.filter { $0.record.split == split }
            try PreparedFolder("\(directory)/\(name)").replace(with: chosen, source: source)
            return Summary.DataSet(name: name, records: chosen.map(\.record))
        }
        return Summary(dataSets: dataSets, wasUpToDate: false, absent: includeLDMCorpus ? absent : [])
    }

    /// Some items at even distances, which Unicode's order puts into all classes.
    private static func spread(_ items: [EmojiItem], count: Int) -> [EmojiItem] {
        let count = min(count, items.count)
        return (0..<count).map { items[(2 * $0 + 1) * items.count / (2 * count)] }
    }

    /// A vendor's items, without duplicates, as PNG bytes.
    private static func draw(
        _ items: [EmojiItem], by vendor: Vendor, packages: PackageLocations, versions: [String: String],
        counter: ProgressCounter
    ) throws -> [Drawing] {
        let artist = try VendorArtist(vendor, locations: packages)
        var seen: Set<[UInt8]> = []
        var drawings: [Drawing] = []
        // The corpus first: an image that it has is never one of the benchmark.
        for item in items.filter({ $0.split == .corpus }) + items.filter({ $0.split == .benchmark }) {
            try Task.checkCancellation()
            defer { counter.advance() }
            guard Vendor.benchmark.contains(vendor) || item.split == .corpus,
                let image = try artist.image(of: item), seen.insert(image.pixels).inserted
            else { continue }
            let png = try PNG.encode(image)
            let record = EmojiRecord(
                path: "\(vendor.rawValue)/\(item.folderName)/\(item.fileName)", item: item.hex, name: item.name,
                subgroup: item.subgroup, class: item.emojiClass, domain: vendor, style: vendor.style, split: item.split,
                unseen: item.isUnseen, licence: vendor.licence,
                package: "\(vendor.package.registry.rawValue) \(vendor.package.name)",
                version: versions[vendor.package.name] ?? "unknown",
                sha256: png.withUnsafeBytes { SHA256Sum.of($0) })
            drawings.append(Drawing(record: record, png: png))
        }
        return drawings
    }
}

/// An image of a data set before it is written.
struct Drawing: Sendable {
    let record: EmojiRecord
    let png: [UInt8]
}
