import DomainGeneralization
import Foundations

/// The images of a folder that ``OfflineGeneration`` filled, or of which ``GeneratedSelection`` kept some, for the runs that train on
/// them.
public struct GeneratedImages: Sendable {
    static let manifest = "manifest.jsonl"
    /// What says how the folder's images came about.
    static let recipe = "generation.json", selection = "selection.json"
    /// What the images took, those of a selection with the ones that it dropped.
    static let ledger = "ledger.json"

    /// The folder of the images.
    public let folder: String
    /// The lines of its manifest, one an image, in the order of the plan.
    public let images: [GeneratedImage]
    /// What was done for the images of the manifest; of a selection for all that it chose from.
    public let work: PriorWork
    /// The domains that the judges of a selection had not seen; nil where no judge had a say.
    public let heldOut: [String]?

    /// Reads a folder's manifest.
    /// - Throws: `UserError` for a folder without one, or with one that is damaged.
    public init(_ folder: String) throws {
        self.folder = folder
        let path = "\(folder)/\(Self.manifest)"
        guard let data = Files.contents(path) else {
            if Files.exists("\(folder)/\(Self.selection)") {
                throw UserError(
                    "\(folder): not all images are judged yet; run 'domainfusion generate select' to its end")
            }
            let isBegun = Files.exists("\(folder)/\(Self.recipe)")
            throw UserError(
                isBegun
                    ? "\(folder): not all images are generated yet; run 'domainfusion generate' to its end"
                    : "\(folder): no generated images here (\(Self.manifest)); make them with 'domainfusion generate'")
        }
        images = try data.split(separator: 10).enumerated().map { number, line in
            guard let image = try? JSONValue(json: line)?.decoded(as: GeneratedImage.self) else {
                throw UserError("\(path): line \(number + 1) is damaged; run 'domainfusion generate' again")
            }
            guard !image.path.hasPrefix("/"), !image.path.split(separator: "/").contains("..") else {
                throw UserError(
                    "\(path): line \(number + 1): \(image.path) is no path inside the folder; do not trust it")
            }
            return image
        }
        var work = PriorWork(try Ledger(path: "\(folder)/\(Self.ledger)"))
        // Of a folder whose ledger is lost it is known at least how many there are.
        work.images = max(work.images, images.count)
        self.work = work
        let selection = "\(folder)/\(Self.selection)"
        guard let data = Files.contents(selection) else {
            heldOut = nil
            return
        }
        guard let found = JSONValue(json: data)?.object else {
            throw UserError("\(selection): damaged; run 'domainfusion generate select' again into another folder")
        }
        heldOut = found["heldOut"]?.array?.compactMap(\.string)
    }

    /// Writes a manifest.
    static func write(_ images: [GeneratedImage], to folder: String) throws {
        let lines = try images.map { try JSONValue(encoding: $0).text + "\n" }
        try AtomicFile.write(lines.joined(), to: "\(folder)/\(manifest)")
    }

    /// An image that a run trains on.
    public struct Use: Sendable {
        /// The image that is trained on.
        public let image: GeneratedImage
        /// Its class, an index into the data set's classes.
        public let label: Int
        /// The domain that it counts to, an index into the data set's domains: that of its source image, or of the two that it lies
        /// between the one with the larger share.
        public let environment: Int
    }

    /// The images that a run may train on: those made of its training items in the style of a source domain, by guides that are
    /// training items, too, and those between two source domains. With those in a held-out domain's style (the paper's CDGA*), what is
    /// held out is told of, and figures are reported apart.
    /// - Parameters:
    ///   - training: items that the run trains on, of all environments.
    ///   - held: domains that are held out.
    ///   - includesHeldStyles: takes images in the held-out domains' styles, too.
    /// - Throws: `UserError` where nothing is left, where a judge or a diffusion model has seen what is held out, or where images of the
    ///   held-out domains would be trained on.
    public func images(
        of dataset: ImageFolder, training: [Int], held: [String], includesHeldStyles: Bool
    ) throws -> [Use] {
        if let heldOut, let seen = held.first(where: { !heldOut.contains($0) }) {
            throw UserError(
                "\(folder): its judge has seen \(seen), which this run holds out; select the images by a judge that was trained "
                    + "with --test-domain \(shellQuoted(seen))")
        }
        try work.check(held: held, of: dataset.datasetName, folder: folder)
        if includesHeldStyles, images.contains(where: { $0.guide != nil && held.contains($0.target) }) {
            throw UserError(
                "\(folder): images of \(held.joined(separator: ", ")) are mixed into its images; generated.heldStyles is for images "
                    + "that are asked for by words")
        }
        let items = Dictionary(
            training.map { (dataset.relativePath(of: dataset.items[$0]), $0) }, uniquingKeysWith: { first, _ in first })
        let domains = Dictionary(uniqueKeysWithValues: dataset.environments.enumerated().map { ($1, $0) })
        let labels = Dictionary(uniqueKeysWithValues: dataset.classes.enumerated().map { ($1, $0) })
        let taken = images.compactMap { image -> Use? in
            let asked = image.source == nil ? [image.domain, image.target] : [image.target]
            guard includesHeldStyles || !asked.contains(where: held.contains) else { return nil }
            if let guide = image.guide, items[guide] == nil { return nil }
            if let source = image.source {
                guard let item = items[source].map({ dataset.items[$0] }) else { return nil }
                return Use(image: image, label: item.label, environment: item.environment)
            }
            guard let first = domains[image.domain], let second = domains[image.target],
                let label = labels[image.className]
            else { return nil }
            return Use(image: image, label: label, environment: image.weight ?? 1 < 0.5 ? second : first)
        }
        guard !taken.isEmpty else {
            throw UserError(
                "\(folder): no image in it is for this run: all are of other images or domains, or of what it holds out; generate "
                    + "from the same data set")
        }
        return taken
    }

    /// What was done for some of the images, by their share of all.
    public func work(for uses: [Use]) -> PriorWork {
        work.share(Double(uses.count) / Double(images.count), domains: Set(uses.map(\.image.target)))
    }
}
