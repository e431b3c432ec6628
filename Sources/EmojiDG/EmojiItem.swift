import Foundation
import Foundations

/// A Unicode emoji of one code point, as listed in `emoji-test.txt`.
public struct EmojiItem: Sendable, Hashable {
    /// Who may see an item: no item of the benchmark is ever seen by the embedded LDM, in any style.
    public enum Split: String, Sendable, Codable {
        /// For training and testing classifiers; the LDM never sees it.
        case benchmark
        /// For training the embedded LDM; no classifier is tested on it.
        case corpus
    }

    /// The one code point of the emoji: 0x1F981.
    public let codePoint: UInt32
    /// The name that Unicode gives it: "lion".
    public let name: String
    /// The subgroup that Unicode puts it in: "animal-mammal".
    public let subgroup: String

    /// An item as Unicode lists it.
    public init(codePoint: UInt32, name: String, subgroup: String) {
        self.codePoint = codePoint
        self.name = name
        self.subgroup = subgroup
    }

    /// Nil for an item outside the ten classes.
    public var emojiClass: EmojiClass? { EmojiClass(subgroup: subgroup) }

    /// The code point in upper-case hexadecimal, at least four digits: `1F981`.
    public var hex: String {
        let digits = String(codePoint, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    /// Whether the item is the benchmark's or the corpus', by the CRC-32 of ``hex``: two thirds of the items of the ten
    /// classes are the benchmark; the others and every item outside the classes are the LDM's corpus.
    public var split: Split {
        emojiClass != nil && crc32(hex) % 3 != 0 ? .benchmark : .corpus
    }

    /// Whether this is one of the benchmark's *unseen items*: a fifth, kept out of every training and validation split
    /// in all domains.
    public var isUnseen: Bool { split == .benchmark && crc32(hex) / 3 % 5 == 0 }

    /// The name of the item's image file: `1F981-lion.png`.
    public var fileName: String { "\(hex)-\(Self.slug(name)).png" }

    /// The folder of the item's images: its class, or its subgroup where it has no class.
    public var folderName: String { emojiClass?.rawValue ?? Self.slug(subgroup) }

    /// Reads the fully-qualified items of one code point (U+FE0F ignored), in the order of the file.
    ///
    /// - Throws: ``EmojiError`` where the file is missing or is no `emoji-test.txt`.
    public static func read(emojiTest path: String) throws -> [EmojiItem] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw EmojiError.missing(path, package: .debian("unicode-data"))
        }
        let items = parse(String(decoding: data, as: UTF8.self))
        guard !items.isEmpty else { throw EmojiError.unreadable(path, reason: "no fully-qualified emoji in it") }
        return items
    }

    static func parse(_ text: String) -> [EmojiItem] {
        var subgroup = ""
        return text.split(separator: "\n").compactMap { line in
            if line.hasPrefix("# subgroup: ") {
                subgroup = line.dropFirst("# subgroup: ".count).trimmingCharacters(in: .whitespaces)
            }
            // "1F981 ; fully-qualified # 🦁 E1.0 lion"
            guard !line.hasPrefix("#"), let semicolon = line.firstIndex(of: ";"),
                let hash = line[semicolon...].firstIndex(of: "#"),
                line[line.index(after: semicolon)..<hash].trimmingCharacters(in: .whitespaces) == "fully-qualified"
            else { return nil }
            let codePoints = line[..<semicolon].split(separator: " ").filter { $0 != "FE0F" }
            let words = line[line.index(after: hash)...].split(separator: " ")
            guard codePoints.count == 1, words.count >= 3, let codePoint = UInt32(codePoints[0], radix: 16) else {
                return nil
            }
            return EmojiItem(codePoint: codePoint, name: words[2...].joined(separator: " "), subgroup: subgroup)
        }
    }

    /// Lower-case ASCII letters and digits, everything between them a hyphen.
    static func slug(_ text: String) -> String {
        let ascii = text.decomposedStringWithCanonicalMapping.lowercased().unicodeScalars.filter {
            $0.properties.canonicalCombiningClass == .notReordered
        }
        let words = String(String.UnicodeScalarView(ascii))
            .split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
        return words.joined(separator: "-")
    }
}
