import Foundation
import Foundations

/// What a prepared data set was made from: `source.json` in its folder.
struct Source: Codable, Equatable {
    /// Goes up by one whenever the same packages give other images or another manifest.
    var recipe = 1
    /// Versions by package name.
    let packages: [String: String]
}

/// The folder of one data set, which is either as it was made or replaced as a whole.
struct PreparedFolder {
    private let path: String
    private var files: FileManager { .default }

    init(_ path: String) { self.path = path }

    /// The records of the folder if it was made from `source` and every image is still there; nil otherwise.
    func records(ifMadeFrom source: Source) -> [EmojiRecord]? {
        guard let data = files.contents(atPath: "\(path)/source.json"),
            let found = try? JSONDecoder().decode(Source.self, from: data), found == source,
            let records = try? EmojiRecord.read(from: path),
            records.allSatisfy({ files.fileExists(atPath: "\(path)/\($0.path)") })
        else { return nil }
        return records
    }

    /// Writes images, manifest and source beside the folder and puts them in its place.
    ///
    /// - Throws: ``EmojiError/unwritable(_:reason:)``; the old folder then stays as it was.
    func replace(with drawings: [Drawing], source: Source) throws {
        let parent = URL(fileURLWithPath: path).deletingLastPathComponent()
        let stem = ".\(URL(fileURLWithPath: path).lastPathComponent)-\(UUID().uuidString)"
        let new = parent.appendingPathComponent("\(stem).new")
        let old = parent.appendingPathComponent("\(stem).old")
        defer { try? files.removeItem(at: new) }
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            var manifest = Data()
            for folder in Set(drawings.map { FilePath.folder(of: $0.record.path) }) {
                try files.createDirectory(at: new.appendingPathComponent(folder), withIntermediateDirectories: true)
            }
            for drawing in drawings {
                try Data(drawing.png).write(to: new.appendingPathComponent(drawing.record.path))
                manifest += try encoder.encode(drawing.record) + [UInt8(ascii: "\n")]
            }
            try manifest.write(to: new.appendingPathComponent("manifest.jsonl"))
            try (encoder.encode(source) + [UInt8(ascii: "\n")]).write(to: new.appendingPathComponent("source.json"))
            if files.fileExists(atPath: path) { try files.moveItem(atPath: path, toPath: old.path) }
            try files.moveItem(atPath: new.path, toPath: path)
        } catch {
            if files.fileExists(atPath: old.path), !files.fileExists(atPath: path) {
                try? files.moveItem(atPath: old.path, toPath: path)
            }
            throw EmojiError.unwritable(path, reason: Self.reason(error))
        }
        try? files.removeItem(at: old)
    }

    /// The system's words for why a file could not be written.
    private static func reason(_ error: any Error) -> String {
        let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError ?? error as NSError
        return underlying.domain == NSPOSIXErrorDomain
            ? String(cString: strerror(Int32(underlying.code))) : "\(error.localizedDescription)"
    }
}
