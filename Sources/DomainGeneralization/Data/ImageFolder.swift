import Foundation
import Foundations

/// A multi-domain image data set on disk: `ROOT/<domain>/<class>/*.{jpg,jpeg,png,webp,bmp}`.
///
/// Domains (environments) and classes are sorted by code point, as DomainBed sorts them. Classes are the union over
/// domains; a class may be missing in a domain. A `manifest.jsonl` at the root, one object a line with `path`, may give
/// an image a `name` and mark it as `"unseen": true`: such an image is in no split and is evaluated apart.
public struct ImageFolder: Sendable {
    /// One image of the data set, with its class and its domain.
    public struct Item: Sendable, Hashable {
        /// The path of the image file.
        public let path: String
        /// The class, an index into ``ImageFolder/classes``.
        public let label: Int
        /// The domain, an index into ``ImageFolder/environments``; behind these one of ``ImageFolder/addedEnvironments``.
        public let environment: Int
        /// What is shown: the manifest's name, or the file's without its extension.
        public let name: String
        /// In no split; evaluated apart.
        public let isUnseen: Bool
        /// Made of another image before training: only ever trained on.
        public let isGenerated: Bool

        /// An image of a class and a domain.
        public init(
            path: String, label: Int, environment: Int, name: String, isUnseen: Bool = false, isGenerated: Bool = false
        ) {
            self.path = path
            self.label = label
            self.environment = environment
            self.name = name
            self.isUnseen = isUnseen
            self.isGenerated = isGenerated
        }
    }

    /// The folder, as it was named by the user, without a slash at the end.
    public let root: String
    /// The domains' names, sorted.
    public let environments: [String]
    /// The names of environments that hold generated images alone: trained on as domains are, and nothing else.
    public let addedEnvironments: [String]
    /// The classes' names, sorted.
    public let classes: [String]
    /// All images, sorted by domain, class and file name.
    public let items: [Item]
    /// Files in class folders that are no images by their names, or images in formats that are not read.
    public let otherFiles: [String]
    /// Those of them that are images in formats that are not read, such as TIFF and GIF.
    public var unreadImages: [String] { otherFiles.filter(FolderScan.isUnread) }
    /// What is to be said of these; nil where there are none.
    public var unreadWarning: String? {
        let unread = unreadImages
        guard !unread.isEmpty else { return nil }
        return
            "\(root): left out \(unread.count) images in formats that are not read (\(FolderScan.endings(unread))); convert "
            + "them to png or jpg"
    }
    /// Images that a list of duplicates in the folder names (`domain_net_duplicates.txt`): in no split.
    public let leftOut: [String]

    /// The data set's name: that of its folder.
    public var name: String { FilePath.name(of: URL(fileURLWithPath: root).path) }

    /// The name that tables and records call it: a known data set's, or the folder's.
    public var datasetName: String { KnownDataset.named(name)?.name ?? name }

    /// Lists the data set in a folder; no image is opened.
    /// - Throws: `UserError` for a folder that is missing or unreadable, has fewer than two domains, an empty domain,
    ///   an empty class folder, two names that look the same, a loop of symbolic links or a broken manifest.
    public init(_ root: String) throws {
        var scan = FolderScan(root: root.count > 1 && root.hasSuffix("/") ? String(root.dropLast()) : root)
        try scan.run()
        self.root = scan.root
        environments = scan.domains
        addedEnvironments = []
        classes = scan.classes
        items = scan.items
        otherFiles = scan.otherFiles
        leftOut = scan.leftOut
    }

    private init(_ whole: ImageFolder, items: [Item], added: [String] = []) {
        root = whole.root
        environments = whole.environments
        addedEnvironments = whole.addedEnvironments + added
        classes = whole.classes
        otherFiles = whole.otherFiles
        leftOut = whole.leftOut
        self.items = items
    }

    /// The data set without some of its items; domains and classes stay.
    public func removing(_ indices: Set<Int>) -> ImageFolder {
        ImageFolder(self, items: items.indices.filter { !indices.contains($0) }.map { items[$0] })
    }

    /// The data set with more items behind its own.
    /// - Parameter added: the names of environments of generated items, behind ``allEnvironments``.
    public func adding(_ more: [Item], environments added: [String] = []) -> ImageFolder {
        ImageFolder(self, items: items + more, added: added)
    }

    /// Items spread evenly over all, in ascending order: as many as are asked for, or all where there are no more.
    public func sample(_ count: Int) -> [Int] {
        let count = min(count, items.count)
        return (0..<count).map { $0 * items.count / count }
    }

    /// The indices of the domains and, behind them, of ``addedEnvironments``.
    public var allEnvironments: Range<Int> { 0..<environments.count + addedEnvironments.count }

    /// What an item is known by: its path in the data set, or all of it where it lies elsewhere.
    public func relativePath(of item: Item) -> String {
        item.path.hasPrefix(root + "/") ? String(item.path.dropFirst(root.count + 1)) : item.path
    }

    /// The number of images by environment and class.
    public var counts: [[Int]] {
        var result = [[Int]](repeating: [Int](repeating: 0, count: classes.count), count: allEnvironments.count)
        for item in items { result[item.environment][item.label] += 1 }
        return result
    }

    /// The classes that a domain has no image of: one line for each such domain.
    public var missingClasses: [String] {
        zip(environments, counts).compactMap { environment, counts in
            let missing = zip(classes, counts).filter { $0.1 == 0 }.map(\.0)
            return missing.isEmpty ? nil : "domain \(environment) has no image of \(missing.joined(separator: ", "))"
        }
    }

    /// The index of a domain.
    /// - Throws: `UserError` with near misses.
    public func environment(named name: String) throws -> Int {
        guard let index = environments.firstIndex(of: name) else {
            let isList = name.contains(",") && environments.contains { $0.contains(",") }
            throw UserError(
                "\(root): no domain '\(name)'"
                    + (isList
                        ? ": a domain's name has a comma, so name each by itself (--test-domain A --test-domain B)"
                        : suggestion(for: name, among: environments)))
        }
        return index
    }
}
