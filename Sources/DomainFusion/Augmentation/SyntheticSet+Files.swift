import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Torch

extension SyntheticSet {
    private static let manifest = "manifest.jsonl"
    /// SHA-256 of the manifest.
    private static let seal = "manifest.sha256"

    /// Where the images of the set in a folder come from; nil where there is none, or its manifest is damaged.
    public static func records(in folder: String) -> [Record]? {
        guard let data = Files.contents("\(folder)/\(manifest)"), let seal = Files.contents("\(folder)/\(seal)"),
            SHA256Sum.of(String(decoding: data, as: UTF8.self)) + "\n" == String(decoding: seal, as: UTF8.self)
        else { return nil }
        let lines = data.split(separator: UInt8(ascii: "\n"))
        let records = lines.compactMap { try? JSONDecoder().decode(Record.self, from: $0) }
        return records.count == lines.count ? records : nil
    }

    /// The set in a folder; nil where there is none, it has another recipe, or a file of it is damaged: it is then made again.
    public init?(folder: String, recipe: String) {
        guard let records = Self.records(in: folder), let round = records.first?.round else { return nil }
        var whole: [Record] = []
        var images: [RGBImage] = []
        for record in records {
            guard record.recipe == recipe, record.round == round,
                let image = try? ImageFile.decode("\(folder)/\(record.path)"), SHA256Sum.of(image) == record.sha256
            else { return nil }
            whole.append(record)
            images.append(image)
        }
        self.init(round: round, records: whole, images: images)
    }

    /// The paths of the images of the set in a folder, in the order of its manifest; none where there is no set.
    public static func imagePaths(in folder: String) -> [String] {
        (Files.contents("\(folder)/\(manifest)") ?? Data()).split(separator: UInt8(ascii: "\n")).compactMap { line in
            (try? JSONDecoder().decode(Record.self, from: line)).map { "\(folder)/\($0.path)" }
        }
    }

    /// Makes this the set in a folder, `<domain>/<class>/<image>.png` and `manifest.jsonl`: a data set that can be
    /// looked at like any other. The images come first, then the manifest and its hash; then the set before it goes.
    /// - Throws: a one-line error when the folder cannot be written; the images of the set before are then as they were.
    public func write(to folder: String) throws {
        var lines = ""
        for (record, image) in zip(records, images) {
            let path = "\(folder)/\(record.path)"
            do {
                try AtomicFile.makeFolder(FilePath.folder(of: path))
            } catch {
                throw UserError("\(folder): the folder cannot be made; correct its permissions")
            }
            try PNG.write(image, to: path)
            lines += try JSONValue(encoding: record).text + "\n"
        }
        try AtomicFile.write(lines, to: "\(folder)/\(Self.manifest)")
        try AtomicFile.write(SHA256Sum.of(lines) + "\n", to: "\(folder)/\(Self.seal)")
        removeOthers(folder)
    }

    /// Removes images that are not in this set, and folders without any.
    private func removeOthers(_ folder: String) {
        let own = Set(records.map(\.path))
        /// - Parameter path: in the folder, with a slash at its end; empty for the folder itself.
        func look(_ path: String) {
            for name in Files.names(in: "\(folder)/\(path)") ?? [] where !own.contains(path + name) {
                let file = "\(folder)/\(path)\(name)"
                if Files.isFolder(file) {
                    look("\(path)\(name)/")
                    // Only an empty folder goes.
                    FilePath.withSystemPath(file) { _ = rmdir($0) }
                } else if name.hasSuffix(".png") || name.hasSuffix(".tmp") {
                    Files.remove(file)
                }
            }
        }
        look("")
    }
}
