/// Text from files and names as one line that a terminal takes for nothing but text.
///
/// What would move the cursor, change colours or the direction of writing, or not be seen is written as JSON writes it:
/// `\u001b`. So is a byte of a file name that is no UTF-8 (``FilePath``). JSON stays JSON, and means the same.
/// - Parameter keepsLines: leaves line feeds and tabs, for text of several lines.
public func plainText(_ text: String, keepsLines: Bool = false) -> String {
    func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.value >= 0x20, scalar.value < 0x7F { return true }
        return keepsLines && (scalar == "\n" || scalar == "\t") || !isHidden(scalar)
    }
    guard !text.unicodeScalars.allSatisfy(isPlain) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        if isPlain(scalar) {
            result.append(scalar)
        } else {
            for unit in UTF16.encode(scalar).map(Array.init) ?? [] {
                let digits = String(unit, radix: 16)
                result.append(
                    contentsOf: "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".unicodeScalars)
            }
        }
    }
    return String(result)
}

/// Whether a terminal does something else with a character than to show it.
private func isHidden(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    // Control characters of ASCII and of Latin 1, some of which begin escape sequences.
    case 0..<0x20, 0x7F..<0xA0: true
    // Marks of the direction of writing, and its overrides.
    case 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
    // Ends of lines and paragraphs; spaces of no width, but for the joiners that emoji and some scripts need.
    case 0x2028, 0x2029, 0x200B, 0x2060...0x2064, 0x206A...0x206F, 0xFEFF, 0xFFF9...0xFFFB: true
    // Tags.
    case 0xE0000...0xE007F: true
    default: FilePath.isEscape(scalar)
    }
}
