import Diffusion
import DomainFusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels

/// Image files with captions, for fine-tuning a diffusion model.
///
/// A folder has one of three forms, looked for in this order:
/// - Hugging Face's `imagefolder`: a `metadata.jsonl` or `metadata.csv` with `file_name` and `text`;
/// - images, each with its caption in a `.txt` file of the same name beside it;
/// - a data set `DIR/<domain>/<class>/<image>`, whose captions come from a template.
public struct CaptionedImages: Sendable, Equatable {
    /// An image file and what it shows.
    public struct Entry: Sendable, Equatable {
        /// The path of the image file.
        public let path: String
        /// The prompt that the image is trained with.
        public let caption: String

        /// An image with its caption.
        public init(path: String, caption: String) {
            self.path = path
            self.caption = caption
        }
    }

    /// The folder that the images were listed in.
    public let folder: String
    /// The images in the order of their paths.
    public let entries: [Entry]
    /// Of a data set the domains that images were taken of; empty for captions of one's own.
    public let domains: [String]
    /// The data set's name, or the folder's.
    public let name: String

    /// A hash of the images' paths and captions, so that a training does not go on with others.
    var digest: String {
        let lines = entries.map { "\($0.path.dropFirst(folder.count))\t\($0.caption)\n" }
        return SHA256Sum.of(lines.joined())
    }

    /// The captions of a data set's images: "a sketch of a dog".
    public static let defaultTemplate = "{a domain} of {a class}"

    /// Lists the images; none is opened.
    /// - Parameters:
    ///   - template: for a data set, with `{domain}`, `{a domain}`, `{class}` and `{a class}`.
    ///   - domains: for a data set, the domains to take; all by default.
    /// - Throws: `UserError`, one line naming the file or the folder.
    public init(folder: String, template: String? = nil, domains: [String]? = nil) throws {
        self.folder = folder
        guard Files.isFolder(folder) else {
            throw UserError("\(folder): no such folder; name one with images and captions, or a data set")
        }
        func exists(_ name: String) -> Bool { Files.exists("\(folder)/\(name)") }
        let own: [Entry]?
        if exists("metadata.jsonl") {
            own = try Self.jsonLines(folder)
        } else if exists("metadata.csv") {
            own = try Self.table(folder)
        } else {
            own = try Self.textFiles(folder)
        }
        if let own {
            guard template == nil, domains == nil else {
                throw UserError(
                    "\(folder): has captions of its own; a prompt template and domains are for data sets "
                        + "DIR/<domain>/<class>/<image>")
            }
            guard !own.isEmpty else { throw UserError("\(folder): lists no image; add a line for each") }
            (entries, self.domains, name) = (own, [], FilePath.name(of: folder))
        } else {
            let dataset = try Self.dataset(folder)
            entries = try Self.entries(dataset, template: template ?? Self.defaultTemplate, domains: domains)
            self.domains = domains ?? dataset.environments
            name = dataset.datasetName
        }
    }

    /// - Parameter location: the file and line, for errors.
    private static func entry(_ folder: String, file: String?, caption: String?, _ location: String) throws -> Entry {
        guard let file, !file.isEmpty else { throw UserError("\(location): no file_name; add it") }
        guard let caption = caption?.trimmingCharacters(in: .whitespacesAndNewlines), !caption.isEmpty else {
            throw UserError("\(location): \(file) has no caption; write it as \"text\"")
        }
        guard !file.hasPrefix("/"), !file.split(separator: "/").contains("..") else {
            throw UserError("\(location): \(file) is no path inside \(folder); move the image there")
        }
        let path = "\(folder)/\(file)"
        guard Files.exists(path) else {
            throw UserError("\(location): \(path) does not exist; correct file_name, or remove the line")
        }
        return Entry(path: path, caption: caption)
    }

    private static func text(_ path: String) throws -> String {
        guard let data = Files.contents(path) else {
            throw UserError("\(path): cannot be read; check its permissions")
        }
        guard let text = String(data: data, encoding: .utf8) else {
            throw UserError("\(path): not text in UTF-8; convert it")
        }
        return text
    }

    private static func jsonLines(_ folder: String) throws -> [Entry] {
        struct Row: Decodable {
            let file_name: String?
            let text: String?
        }
        let path = "\(folder)/metadata.jsonl"
        let lines = try text(path).split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        return try lines.enumerated().compactMap { number, line in
            guard line.contains(where: { !$0.isWhitespace }) else { return nil }
            let location = "\(path): line \(number + 1)"
            guard let row = try? JSONDecoder().decode(Row.self, from: Data(line.utf8)) else {
                throw UserError("\(location): no JSON object with texts \"file_name\" and \"text\"; correct it")
            }
            return try entry(folder, file: row.file_name, caption: row.text, location)
        }
    }

    private static func table(_ folder: String) throws -> [Entry] {
        let path = "\(folder)/metadata.csv"
        guard let rows = CSV.rows(try text(path)) else { throw UserError("\(path): a quotation mark is not closed") }
        guard let header = rows.first, let file = header.fields.firstIndex(of: "file_name"),
            let caption = header.fields.firstIndex(of: "text")
        else { throw UserError("\(path): the first line must name the columns file_name and text") }
        return try rows.dropFirst().map { row in
            guard row.fields.count == header.fields.count else {
                throw UserError(
                    "\(path): line \(row.line): \(row.fields.count) fields, wanted \(header.fields.count); put captions "
                        + "with commas into quotation marks")
            }
            return try entry(
                folder, file: row.fields[file], caption: row.fields[caption], "\(path): line \(row.line)")
        }
    }

    /// Nil for a folder without images of its own.
    private static func textFiles(_ folder: String) throws -> [Entry]? {
        guard let names = Files.names(in: folder) else {
            throw UserError("\(folder): the folder cannot be read; check its permissions")
        }
        let images = names.filter {
            !$0.hasPrefix(".") && imageExtensions.contains(FilePath.fileExtension(of: $0).lowercased())
        }
        guard !images.isEmpty else { return nil }
        return try images.map { name in
            let path = "\(folder)/\(FilePath.withoutExtension(name)).txt"
            guard Files.exists(path) else {
                throw UserError("\(folder)/\(name): has no caption; write it into \(path), or into a metadata.jsonl")
            }
            let caption = try text(path).trimmingCharacters(in: .whitespacesAndNewlines)
            guard !caption.isEmpty else { throw UserError("\(path): is empty; write the caption of \(name) into it") }
            return Entry(path: "\(folder)/\(name)", caption: caption)
        }
    }

    private static let imageExtensions: Set = ["jpg", "jpeg", "png", "webp", "bmp"]

    private static func dataset(_ folder: String) throws -> ImageFolder {
        do {
            return try ImageFolder(folder)
        } catch {
            throw UserError(
                "\(error); or give captions: a metadata.jsonl with file_name and text, or a .txt beside each image")
        }
    }

    private static func entries(_ dataset: ImageFolder, template: String, domains: [String]?) throws -> [Entry] {
        let chosen = try domains.map { try Set($0.map(dataset.environment(named:))) }
        // Images that are in no split of the data set are not for training here, either.
        let items = dataset.items.filter { !$0.isUnseen && chosen?.contains($0.environment) ?? true }
        return items.map { item in
            Entry(
                path: item.path,
                caption: Caption.prompt(
                    Caption.prompt(template, class: dataset.classes[item.label]),
                    domain: dataset.environments[item.environment]))
        }
    }
}

/// Comma-separated values (RFC 4180).
enum CSV {
    struct Row: Equatable {
        /// Counted from 1.
        let line: Int
        let fields: [String]
    }

    /// The rows of a text, without empty lines; nil where a quotation mark is not closed.
    static func rows(_ text: String) -> [Row]? {
        var rows: [Row] = []
        var fields: [String] = []
        var field = ""
        var line = 1
        var start = 1
        var isQuoted = false
        var wasQuoted = false
        func finish() {
            if !fields.isEmpty || !field.isEmpty || wasQuoted {
                rows.append(Row(line: start, fields: fields + [field]))
            }
            (fields, field, wasQuoted) = ([], "", false)
        }
        for character in text.trimmingPrefix("\u{FEFF}") {
            if character.isNewline { line += 1 }
            switch character {
            case "\"" where isQuoted: isQuoted = false
            case "\"":
                // Two of them in a quoted field stand for one.
                if wasQuoted { field.append("\"") }
                (isQuoted, wasQuoted) = (true, true)
            case _ where isQuoted: field.append(character)
            case ",":
                fields.append(field)
                (field, wasQuoted) = ("", false)
            case _ where character.isNewline:
                finish()
                start = line
            default: field.append(character)
            }
        }
        guard !isQuoted else { return nil }
        finish()
        return rows
    }
}
