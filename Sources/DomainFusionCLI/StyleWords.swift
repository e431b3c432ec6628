import ArgumentParser

/// Words for the styles of domains, as options give them: `--style photo="a photograph"`.
enum StyleWords {
    /// The words by domain.
    /// - Throws: `ValidationError` for an option without a domain.
    static func parse(_ options: [String]) throws -> [String: String] {
        var words: [String: String] = [:]
        for option in options {
            guard let sign = option.firstIndex(of: "="), sign != option.startIndex else {
                throw ValidationError("--style \(option): write domain=words, as in --style photo=\"a photograph\"")
            }
            words[String(option[..<sign])] = String(option[option.index(after: sign)...])
        }
        return words
    }
}
