import Foundation
import Foundations

/// What a prepared data set was made from: `source.json` in its folder.
struct Source: Codable, Equatable {
    /// Goes up by one whenever the same packages give other images or another manifest.
    var recipe = 1
    /// Versions by package name.
    let packages: [String: String]
    /// The most images of a domain; nil for all.
    var limit: Int?
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
        do {
            try AtomicFolder.replace(path) { try fill($0, with: drawings, source: source) }
        } catch let error as FileFormatError {
            throw EmojiError.unwritable(path, reason: error.problem)
        } catch {
            throw EmojiError.unwritable(path, reason: Self.reason(error))
        }
    }

    private func fill(_ folder: String, with drawings: [Drawing], source: Source) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        for child in Set(drawings.map { FilePath.folder(of: $0.record.path) }).sorted() {
            try files.createDirectory(atPath: "\(folder)/\(child)", withIntermediateDirectories: true)
        }
        var manifest = Data()
        for drawing in drawings {
            try Data(drawing.png).write(to: URL(fileURLWithPath: "\(folder)/\(drawing.record.path)"))
            manifest += try encoder.encode(drawing.record) + [UInt8(ascii: "\n")]
        }
        try manifest.write(to: URL(fileURLWithPath: "\(folder)/manifest.jsonl"))
        try (encoder.encode(source) + [UInt8(ascii: "\n")]).write(to: URL(fileURLWithPath: "\(folder)/source.json"))
    }

    /// The system's words for why a file could not be written.
    private static func reason(_ error: any Error) -> String {
        let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError ?? error as NSError
        return underlying.domain == NSPOSIXErrorDomain
            ? String(cString: strerror(Int32(underlying.code))) : "\(error.localizedDescription)"
    }
}
