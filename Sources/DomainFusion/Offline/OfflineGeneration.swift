import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Torch

/// Generates all images of a plan into a folder before anything is trained.
///
/// The work lies in pieces. Every process that runs the same plan on the folder, on one machine or several, takes the next piece that
/// nobody has; the piece of a process that was killed is taken over. What an image becomes depends on its place in the plan alone, and
/// what was made is in the store, so that the folder's bytes are the same however often the work was interrupted and whoever did it.
///
/// Layout: `<domain>/<domain>_<target>/<class>/<image>.png`, `manifest.jsonl` when all is done, `ledger.json`, `generation.json` (what
/// everything depends on) and `.pieces/` (what each piece made).
public struct OfflineGeneration {
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
    public let plan: CrossDomainPlan
    private let maker: CandidateMaker
    private let pieceSize: Int

    /// What one piece made: its file in `.pieces`.
    private struct Piece: Codable {
        let images: [GeneratedImage]
        let bytes: Int
        let ledger: Ledger
    }

    /// The generation of a plan into a folder; goes on with what is there.
    /// - Throws: `UserError` for a folder that another plan, model or data set was generated into, or that cannot be written.
    public init(_ plan: CrossDomainPlan, maker: CandidateMaker, folder: String) throws {
        self.plan = plan
        self.maker = maker
        self.folder = folder
        pieceSize = maker.batchSize * max(1, 64 / maker.batchSize)
        try AtomicFile.makeFolder("\(folder)/.pieces")
        let recipe = JSONValue.object([
            "plan": try plan.identity, "generator": .string(maker.generator.fingerprint),
            "batch": .int(maker.batchSize),
            "images": .int(plan.count),
        ])
        let path = "\(folder)/generation.json"
        if let data = Files.contents(path) {
            guard let found = JSONValue(json: data) else {
                throw UserError("\(path): damaged; restore it, or generate into another folder")
            }
            let (own, others) = (recipe.flattened(), found.flattened())
            if let name = Set(own.keys).union(others.keys).sorted().first(where: { own[$0] != others[$0] }) {
                throw UserError(
                    "\(folder): was generated with another \(name) (\(others[name]?.text ?? "none") there, "
                        + "\(own[name]?.text ?? "none") here); take the same, or generate into another folder")
            }
        } else {
            try AtomicFile.write(recipe.text + "\n", to: path)
        }
    }

    private var pieces: Int { (plan.count + pieceSize - 1) / pieceSize }

    private func stem(_ piece: Int) -> String { "\(folder)/.pieces/\(String(format: "%07d", piece))" }

    /// What a piece made that is done; nil for one that is not, or whose file is damaged.
    private func made(_ piece: Int) -> Piece? {
        Files.contents("\(stem(piece)).json").flatMap { JSONValue(json: $0) }.flatMap {
            try? $0.decoded(as: Piece.self)
        }
    }

    /// Makes the pieces that nobody has made, until all of the plan is there; waits for those that other processes are at.
    /// - Parameters:
    ///   - report: told after every piece, and now and then while others are waited for.
    ///   - poll: called between batches; what it throws ends the work.
    /// - Returns: the work of all processes.
    /// - Throws: a one-line error of the model, the store, an image or the folder.
    public func run(
        report: (Progress) -> Void = { _ in }, poll: () throws -> Void = Interruption.poll
    ) throws -> Ledger {
        var done: [Int: (count: Int, bytes: Int)] = [:]
        while done.count < pieces {
            var isWaiting = true
            for piece in 0..<pieces where done[piece] == nil {
                try poll()
                if let found = made(piece) {
                    done[piece] = (found.images.count, found.bytes)
                } else if let claim = try FileClaim("\(stem(piece)).lock") {
                    try withExtendedLifetime(claim) {
                        // It may have been done between the two questions.
                        let made = try self.made(piece) ?? self.make(piece, poll: poll)
                        done[piece] = (made.images.count, made.bytes)
                    }
                    isWaiting = false
                } else {
                    continue
                }
                report(progress(done))
            }
            if isWaiting, done.count < pieces { usleep(500_000) }
        }
        return try finish()
    }

    private func progress(_ done: [Int: (count: Int, bytes: Int)]) -> Progress {
        Progress(
            done: done.values.reduce(0) { $0 + $1.count }, total: plan.count,
            bytes: done.values.reduce(0) { $0 + $1.bytes })
    }

    private func make(_ piece: Int, poll: () throws -> Void) throws -> Piece {
        let entries = (piece * pieceSize..<min((piece + 1) * pieceSize, plan.count)).map(plan.entry)
        let size = maker.generator.imageSize
        var starts: [String: RGBImage] = [:]
        let orders = try entries.map { entry in
            let image = try starts[entry.source.name] ?? entry.source.image().resized(width: size, height: size)
            starts[entry.source.name] = image
            return CandidateMaker.Order(image: image, prompt: entry.prompt, seed: entry.seed)
        }
        var ledger = Ledger()
        let images = try ledger.time("generation") { try maker.images(orders, ledger: &$0, poll: poll) }
        ledger.use(round: 1, generated: images.count, composed: 0)
        var records: [GeneratedImage] = []
        var bytes = 0
        for (index, key) in maker.keys(orders).enumerated() {
            let (entry, image) = (entries[index], images[index])
            let path = "\(folder)/\(entry.path)"
            if try !maker.store.place(key, at: path) {
                try AtomicFile.makeFolder(FilePath.folder(of: path))
                try PNG.write(image, to: path)
            }
            bytes += SHA256Sum.sizeAndSum(file: path)?.size ?? 0
            records.append(
                GeneratedImage(
                    path: entry.path, sha256: SHA256Sum.of(image), source: entry.source.name,
                    className: entry.source.className, domain: plan.domains[entry.source.environment],
                    target: plan.domains[entry.target], copy: entry.copy, prompt: entry.prompt, seed: entry.seed))
        }
        let made = Piece(images: records, bytes: bytes, ledger: ledger)
        try AtomicFile.write(JSONValue(encoding: made).text + "\n", to: "\(stem(piece)).json")
        return made
    }

    /// Writes the manifest and the ledger of all pieces; every process writes the same.
    private func finish() throws -> Ledger {
        var lines = ""
        var ledger = Ledger()
        for piece in 0..<pieces {
            guard let made = made(piece) else {
                throw UserError("\(stem(piece)).json: gone or damaged; run the command again")
            }
            for image in made.images { lines += try JSONValue(encoding: image).text + "\n" }
            ledger.add(work: made.ledger)
        }
        ledger.use(round: 1, generated: plan.count, composed: 0)
        try ledger.write(to: "\(folder)/ledger.json")
        try AtomicFile.write(lines, to: "\(folder)/\(GeneratedImages.manifest)")
        return ledger
    }

    /// A picture of some of the images, spread over the data set: source, then one in each domain's style.
    public func sheet(_ count: Int) throws -> ContactSheet {
        let (sources, size) = (plan.sources, maker.generator.imageSize)
        let chosen = (0..<min(count, sources.count)).map {
            (2 * $0 + 1) * sources.count / (2 * min(count, sources.count))
        }
        let rows = try chosen.map { index in
            let source = sources[index]
            let own = ContactSheet.Cell(
                try source.image().resized(width: size, height: size), caption: source.className)
            return [own]
                + (try plan.domains.indices.map { target in
                    let entry = plan.entry((index * plan.domains.count + target) * plan.settings.copies)
                    return ContactSheet.Cell(try ImageFile.decode("\(folder)/\(entry.path)"), caption: "")
                })
        }
        return ContactSheet(
            title: "Generated: \(plan.settings.prompt)", rows: rows,
            rowLabels: chosen.map { plan.domains[sources[$0].environment] }, columnLabels: ["source"] + plan.domains)
    }
}
