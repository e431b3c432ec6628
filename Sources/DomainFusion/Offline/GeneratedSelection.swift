import DomainGeneralization
import Foundation
import Foundations
import Pixels

/// Keeps some of the images of a folder: a folder of its own, with a manifest, that runs read as the first one.
///
/// In this order are dropped: images with the same pixels as an earlier one; those too near their source image; those that the judge
/// gets wrong or is too unsure of; and of each class and pair of domains all but so many. The images take no room twice where the
/// folders are on one disk. Several processes share the judge's work, after kills too, and end with the same bytes.
public struct GeneratedSelection {
    /// What became of the images.
    public struct Report: Codable, Sendable, Equatable {
        /// Images of the first folder.
        public var images = 0
        /// Images with the pixels of an earlier one.
        public var copies = 0
        /// Images too near their source image.
        public var unchanged = 0
        /// Images that the judge took for another class.
        public var wrong = 0
        /// Images whose class the judge gave too small a probability.
        public var unsure = 0
        /// Images beyond the number that is kept of their class and pair of domains.
        public var surplus = 0
        /// Images that are kept.
        public var kept = 0
    }

    /// The file of the ``Report``.
    static let report = "report.json"

    private let settings: SelectionSettings
    private let source: GeneratedImages
    private let judge: GeneratedJudge?
    private let data: String?
    private let folder: String

    /// What was found of an image.
    private struct Judgement: Codable {
        let isRight: Bool?
        let confidence: Double?
        let entropy: Double?
        let change: Double?
    }

    /// The selection of a folder's images into another folder; goes on with what is there.
    /// - Parameters:
    ///   - judge: asked about every image; nil where the settings need none.
    ///   - data: the folder of the data set, where images are compared with their sources.
    /// - Throws: `UserError` for settings that cannot be, a judge that is missing or knows other classes, or a folder that holds
    ///   something else.
    public init(
        _ settings: SelectionSettings, of source: GeneratedImages, judge: GeneratedJudge?, data: String? = nil,
        folder: String
    ) throws {
        try settings.validate(path: "select")
        guard judge != nil || !settings.asksJudge else {
            throw UserError("select: these filters need a judge; name a finished run")
        }
        if let judge, let unknown = source.images.first(where: { !judge.classes.contains($0.className) }) {
            throw UserError(
                "\(source.folder): the judge does not know the class '\(unknown.className)' (it knows "
                    + "\(judge.classes.joined(separator: ", "))); train one on the same data")
        }
        guard data != nil || settings.change == 0 else {
            throw UserError("select.change: needs the data set, whose images are compared; name it with --data")
        }
        guard Files.realPath(folder) != Files.realPath(source.folder),
            !Files.exists("\(folder)/\(GeneratedImages.recipe)")
        else { throw UserError("\(folder): holds generated images; choose another folder for those that are kept") }
        self.settings = settings
        self.source = source
        self.judge = judge
        self.data = settings.change > 0 ? data : nil
        self.folder = folder
        try AtomicFile.makeFolder(folder)
        var recipe: [String: JSONValue] = [
            "settings": try JSONValue(encoding: settings),
            "images": .string(SHA256Sum.of(source.images.map { "\($0.path) \($0.sha256)\n" }.joined())),
            "judge": .string(judge?.fingerprint ?? ""),
        ]
        if let heldOut = Self.heldOut(source.heldOut, judge?.heldOut) {
            recipe["heldOut"] = .array(heldOut.map(JSONValue.string))
        }
        try FolderRecipe.keep(.object(recipe), in: folder, file: GeneratedImages.selection, verb: "selected")
    }

    /// What no judge has seen.
    private static func heldOut(_ first: [String]?, _ second: [String]?) -> [String]? {
        guard let first, let second else { return first ?? second }
        return second.filter(first.contains)
    }

    /// Images that go through the classifier at a time.
    private static let pieceSize = 64

    /// Judges the images and keeps some.
    /// - Parameters:
    ///   - report: told of the images that are judged, of all.
    ///   - poll: called between batches; what it throws ends the work.
    /// - Throws: `UserError` where nothing is left, or for an image that is not what was generated.
    public func run(
        report: (Int, Int) -> Void = { _, _ in }, poll: () throws -> Void = Interruption.poll
    ) throws -> Report {
        let judgements = try judgements(report: report, poll: poll)
        var result = Report()
        result.images = source.images.count
        var seen: Set<String> = []
        let left = source.images.indices.filter { index in
            let judgement = judgements[index]
            if !seen.insert(source.images[index].sha256).inserted {
                result.copies += 1
            } else if let change = judgement.change, change < settings.change {
                result.unchanged += 1
            } else if settings.correct, judgement.isRight == false {
                result.wrong += 1
            } else if let confidence = judgement.confidence, confidence < settings.confidence {
                result.unsure += 1
            } else {
                return true
            }
            return false
        }
        let kept = first(of: left, judgements)
        result.surplus = left.count - kept.count
        result.kept = kept.count
        guard !kept.isEmpty else {
            throw UserError(
                "\(source.folder): none of its \(result.images) images is left (\(result.unchanged) too near their source, "
                    + "\(result.wrong) judged wrongly, \(result.unsure) too unsure); choose weaker filters or another judge"
            )
        }
        let images = kept.map { index in
            var image = source.images[index]
            (image.confidence, image.entropy) = (judgements[index].confidence, judgements[index].entropy)
            return image
        }
        for image in images {
            try poll()
            try LinkedFile.place("\(source.folder)/\(image.path)", at: "\(folder)/\(image.path)")
        }
        try AtomicFile.write(JSONValue(encoding: result).text + "\n", to: "\(folder)/\(Self.report)")
        try Ledger(path: "\(source.folder)/\(GeneratedImages.ledger)").write(to: "\(folder)/\(GeneratedImages.ledger)")
        try GeneratedImages.write(images, to: folder)
        return result
    }

    /// Those of each class and pair of domains that are kept, ascending.
    private func first(of images: [Int], _ judgements: [Judgement]) -> [Int] {
        guard settings.limits else { return images }
        let groups = Dictionary(grouping: images) { index in
            let image = source.images[index]
            return [image.className, image.domain, image.target]
        }
        return groups.values.flatMap { group in
            let share = Int((settings.share * Double(group.count)).rounded(.up))
            return ordered(group, judgements).prefix(settings.keep > 0 ? min(settings.keep, share) : share)
        }.sorted()
    }

    private func ordered(_ group: [Int], _ judgements: [Judgement]) -> [Int] {
        switch settings.order {
        case .entropy:
            group.sorted { (judgements[$0].entropy ?? 0, $1) > (judgements[$1].entropy ?? 0, $0) }
        case .random:
            group.map { (SHA256Sum.of("\(settings.seed)/\(source.images[$0].path)"), $0) }.sorted(by: <).map(\.1)
        }
    }

    // MARK: Judging

    private func judgements(report: (Int, Int) -> Void, poll: () throws -> Void) throws -> [Judgement] {
        let images = source.images
        guard judge != nil || data != nil else {
            return images.map { _ in Judgement(isRight: nil, confidence: nil, entropy: nil, change: nil) }
        }
        let pieces = try SharedPieces<[Judgement]>(
            folder, count: (images.count + Self.pieceSize - 1) / Self.pieceSize)
        var done = 0
        try pieces.complete(poll: poll) { piece in
            done += piece.count
            report(done, images.count)
        } make: { piece in
            let range = piece * Self.pieceSize..<min((piece + 1) * Self.pieceSize, images.count)
            return try judgements(of: Array(images[range]))
        }
        return try pieces.all().flatMap { $0 }
    }

    private func judgements(of records: [GeneratedImage]) throws -> [Judgement] {
        let images = try records.map { record in
            let path = "\(source.folder)/\(record.path)"
            let image = try ImageFile.decode(path)
            guard SHA256Sum.of(image) == record.sha256 else {
                throw UserError(
                    "\(path): is not the image that was generated; restore it, or generate the folder again")
            }
            return image
        }
        let probabilities = try judge?.probabilities(images)
        return try records.indices.map { index in
            let row = probabilities?[index]
            let label = judge?.classes.firstIndex(of: records[index].className)
            return Judgement(
                isRight: row.map { row in row.indices.max { row[$0] < row[$1] } == label },
                confidence: label.flatMap { row?[$0] },
                entropy: row.map { $0.reduce(0) { $1 > 0 ? $0 - $1 * log($1) : $0 } },
                change: try records[index].source.flatMap { try change(of: images[index], from: $0) })
        }
    }

    /// The mean difference of an image from its source image; nil where nobody asks.
    private func change(of image: RGBImage, from name: String) throws -> Double? {
        guard let data else { return nil }
        let other = try ImageFile.decode("\(data)/\(name)").resized(width: image.width, height: image.height)
        let sum = zip(image.pixels, other.pixels).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
        return Double(sum) / Double(255 * image.pixels.count)
    }
}
