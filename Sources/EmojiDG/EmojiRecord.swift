import Foundation
import Foundations

/// One image of a prepared data set: a line of its `manifest.jsonl`.
public struct EmojiRecord: Sendable, Codable, Equatable {
    /// The image file, relative to the data set's folder: `noto/animal/1F981-lion.png`.
    public let path: String
    /// The code point in upper-case hexadecimal: `1F981`.
    public let item: String
    /// The Unicode name: "lion".
    public let name: String
    /// The Unicode subgroup: "animal-mammal".
    public let subgroup: String
    /// Null in the file for an item outside the ten classes.
    public let `class`: EmojiClass?
    /// The vendor: the domain, and the first folder of ``path``.
    public let domain: Vendor
    /// The vendor's style words, for captions: "shaded colour".
    public let style: String
    /// Whether the image belongs to the benchmark or to the corpus.
    public let split: EmojiItem.Split
    /// An item of the benchmark that no training or validation split may hold.
    public let unseen: Bool
    /// The artwork's licence.
    public let licence: String
    /// The source package: "Debian fonts-noto-color-emoji".
    public let package: String
    /// The version of the source package, as dpkg or the wheel's metadata say.
    public let version: String
    /// SHA-256 of the image file, in hexadecimal.
    public let sha256: String

    /// Writes all members, `class` as null where there is none.
    public func encode(to encoder: Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(path, forKey: .path)
        try container.encode(item, forKey: .item)
        try container.encode(name, forKey: .name)
        try container.encode(subgroup, forKey: .subgroup)
        try container.encode(`class`, forKey: .class)
        try container.encode(domain, forKey: .domain)
        try container.encode(style, forKey: .style)
        try container.encode(split, forKey: .split)
        try container.encode(unseen, forKey: .unseen)
        try container.encode(licence, forKey: .licence)
        try container.encode(package, forKey: .package)
        try container.encode(version, forKey: .version)
        try container.encode(sha256, forKey: .sha256)
    }

    /// The records of the data set in a folder, sorted by path.
    ///
    /// - Throws: ``EmojiError`` where the folder has no manifest, or one that this version did not write.
    public static func read(from folder: String) throws -> [EmojiRecord] {
        guard let data = Files.contents("\(folder)/manifest.jsonl") else {
            throw EmojiError.notPrepared(folder)
        }
        let decoder = JSONDecoder()
        do {
            return try data.split(separator: UInt8(ascii: "\n")).map { try decoder.decode(EmojiRecord.self, from: $0) }
        } catch {
            throw EmojiError.notPrepared(folder)
        }
    }
}
