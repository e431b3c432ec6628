import Foundation

/// Splits text into the words that CLIP encodes one by one.
///
/// The pattern is `<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`, on text in
/// Unicode's composed form (NFC), lower-cased scalar by scalar. The first two still end a run of punctuation where they
/// are not special tokens, and come out as three words.
enum CLIPWords {
    /// Composed and lower-cased text, as scalars.
    static func normalized(_ text: some StringProtocol) -> [Unicode.Scalar] {
        text.precomposedStringWithCanonicalMapping.unicodeScalars.flatMap { scalar in
            Array(scalar.properties.lowercaseMapping.unicodeScalars)
        }
    }

    /// The words of normalised text as UTF-8.
    static func split(_ scalars: some RandomAccessCollection<Unicode.Scalar>) -> [[UInt8]] {
        var words: [[UInt8]] = []
        var rest = scalars[...]
        while let first = rest.first {
            if let marker = markers.first(where: { first == "<" && rest.starts(with: $0.unicodeScalars) }) {
                words += ["<|", marker.dropFirst(2).dropLast(2), "|>"].map { Array($0.utf8) }
                rest = rest.dropFirst(marker.unicodeScalars.count)
                continue
            }
            let kind = kind(first)
            let length =
                if let contraction = contractionLength(rest) {
                    contraction
                } else if kind == .number {
                    1
                } else {
                    rest.prefix { Self.kind($0) == kind }.count
                }
            if kind != .space {
                var word = String.UnicodeScalarView()
                word.append(contentsOf: rest.prefix(length))
                words.append(Array(String(word).utf8))
            }
            rest = rest.dropFirst(length)
        }
        return words
    }

    private static let markers = ["<|startoftext|>", "<|endoftext|>"]

    private enum Kind { case letter, number, space, other }

    private static func kind(_ scalar: Unicode.Scalar) -> Kind {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: .letter
        case .decimalNumber, .letterNumber, .otherNumber: .number
        default: scalar.properties.isWhitespace ? .space : .other
        }
    }

    /// The length of an English contraction's ending if the text begins with one.
    private static func contractionLength(_ text: some RandomAccessCollection<Unicode.Scalar>) -> Int? {
        guard text.first == "'" else { return nil }
        let next = text.dropFirst().prefix(2).map { Character($0) }
        switch next.first {
        case "s", "t", "m", "d": return 2
        default: return ["re", "ve", "ll"].contains(String(next)) ? 3 : nil
        }
    }
}
