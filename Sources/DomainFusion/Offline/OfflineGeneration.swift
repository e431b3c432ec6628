import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Torch

/// Generates all images of a plan into a folder before anything is trained.
///
/// Any number of processes share the work, after kills too. What an image becomes depends on its place in the plan alone, and what
/// was made is in the store, so that the folder's bytes are the same however often the work was interrupted and whoever did it.
///
/// Layout: `<domain>/<domain>_<target>/<class>/<image>.png`, `manifest.jsonl` when all is done, `ledger.json`, `generation.json` (what
/// everything depends on) and `.pieces/` (what each piece made).
public struct OfflineGeneration<Plan: GenerationPlan> {
    /// How far the work of all processes is.
    public struct Progress: Sendable {
        /// Images that are made, and those of the plan.
        public let done: Int, total: Int
        /// Bytes of the images that are made.
        public let bytes: Int
    }

    /// The folder that is filled.
    public let folder: String
    /// What is made.
    public let plan: Plan
    private let makers: GenerationMakers<Plan.Order>
    private let pieceSize: Int
    private let pieces: SharedPieces<Piece>

    /// What one piece made.
    private struct Piece: Codable {
        let images: [GeneratedImage]
        let bytes: Int
        let ledger: Ledger
    }

    /// The generation of a plan into a folder; goes on with what is there.
    /// - Throws: `UserError` for a folder that another plan, model or data set was generated into, or that cannot be written.
    public init(_ plan: Plan, makers: GenerationMakers<Plan.Order>, folder: String) throws {
        self.plan = plan
        self.makers = makers
        self.folder = folder
        pieceSize = makers.batchSize * max(1, 64 / makers.batchSize)
        pieces = try SharedPieces(folder, count: (plan.count + pieceSize - 1) / pieceSize)
        let recipe = JSONValue.object([
            "plan": try plan.identity, "generator": makers.fingerprint, "batch": .int(makers.batchSize),
            "images": .int(plan.count),
        ])
        try FolderRecipe.keep(recipe, in: folder, file: GeneratedImages.recipe, verb: "generated")
    }

    /// Makes the pieces that nobody has made, until all of the plan is there; waits for those that other processes are at.
    /// - Parameters:
    ///   - report: told after every piece.
    ///   - poll: called between batches; what it throws ends the work.
    /// - Returns: the work of all processes.
    /// - Throws: a one-line error of the model, the store, an image or the folder.
    public func run(
        report: (Progress) -> Void = { _ in }, poll: () throws -> Void = Interruption.poll
    ) throws -> Ledger {
        var (done, bytes) = (0, 0)
        try pieces.complete(poll: poll) { piece in
            done += piece.images.count
            bytes += piece.bytes
            report(Progress(done: done, total: plan.count, bytes: bytes))
        } make: {
            try make($0, poll: poll)
        }
        return try finish()
    }

    /// An image of the data set, of a generator's size.
    private func source(_ name: String, for maker: ImageMaker<Plan.Order>) throws -> RGBImage {
        let size = maker.generator.imageSize
        return try ImageFile.decode("\(plan.root)/\(name)").resized(width: size, height: size)
    }

    private func make(_ piece: Int, poll: () throws -> Void) throws -> Piece {
        var records = (piece * pieceSize..<min((piece + 1) * pieceSize, plan.count)).map(plan.record)
        var ledger = Ledger()
        var bytes = 0
        for (domain, numbers) in makers.groups(records) {
            let maker = try makers.maker(of: domain)
            var sources: [String: RGBImage] = [:]
            let orders = try numbers.map { number in
                try plan.order(records[number]) { name in
                    let image = try sources[name] ?? source(name, for: maker)
                    sources[name] = image
                    return image
                }
            }
            let images = try ledger.time("generation") { try maker.images(orders, ledger: &$0, poll: poll) }
            for (place, key) in maker.keys(orders).enumerated() {
                let path = "\(folder)/\(records[numbers[place]].path)"
                if try !maker.store.place(key, at: path) {
                    try AtomicFile.makeFolder(FilePath.folder(of: path))
                    try PNG.write(images[place], to: path)
                }
                bytes += SHA256Sum.sizeAndSum(file: path)?.size ?? 0
                records[numbers[place]].sha256 = SHA256Sum.of(images[place])
            }
        }
        ledger.use(round: 1, generated: records.count, composed: 0)
        return Piece(images: records, bytes: bytes, ledger: ledger)
    }

    /// Writes the manifest and the ledger of all pieces; every process writes the same.
    private func finish() throws -> Ledger {
        var ledger = Ledger()
        var (images, bytes): ([GeneratedImage], Int) = ([], 0)
        for piece in try pieces.all() {
            images += piece.images
            ledger.add(work: piece.ledger)
            bytes += piece.bytes
        }
        ledger.use(round: 1, generated: plan.count, composed: 0)
        ledger.bytes = bytes
        ledger.before = makers.prior == PriorWork() ? nil : makers.prior
        try ledger.write(to: "\(folder)/\(GeneratedImages.ledger)")
        try GeneratedImages.write(images, to: folder)
        return ledger
    }

    /// A picture of some of the images, spread over the plan.
    /// - Throws: a one-line error for an image that cannot be read.
    public func sheet(rows: Int) throws -> ContactSheet {
        let layout = plan.layout(rows: rows)
        let maker = try makers.maker()
        return ContactSheet(
            title: layout.title,
            rows: try layout.rows.map { row in
                let own =
                    try row.source.map { [ContactSheet.Cell(try source($0, for: maker), caption: row.caption)] } ?? []
                return own
                    + (try row.numbers.map { number in
                        ContactSheet.Cell(
                            try number.map { try ImageFile.decode("\(folder)/\(plan.record($0).path)") })
                    })
            }, rowLabels: layout.rows.map(\.label), columnLabels: layout.columns)
    }
}
