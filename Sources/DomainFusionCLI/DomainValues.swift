import ArgumentParser

/// What options give of each domain: `--style photo="a photograph"`, `--source-ldm photo=models/photo`.
enum DomainValues {
    /// What a style's words look like, for errors.
    static let words = #"words, as in --style photo="a photograph""#

    /// The values by domain.
    /// - Parameters:
    ///   - option: the option's name, for errors.
    ///   - example: what a value looks like, for errors.
    /// - Throws: `ValidationError` for a text without a domain.
    static func parse(_ option: String, _ texts: [String], example: String = words) throws -> [String: String] {
        var values: [String: String] = [:]
        for text in texts {
            guard let sign = text.firstIndex(of: "="), sign != text.startIndex else {
                throw ValidationError("\(option) \(text): write domain=\(example)")
            }
            values[String(text[..<sign])] = String(text[text.index(after: sign)...])
        }
        return values
    }
}
