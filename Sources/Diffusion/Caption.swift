/// Words of prompts and captions.
public enum Caption {
    /// The noun with its article: "a lion", "an animal".
    public static func withArticle(_ words: String) -> String {
        let isVowel = words.lowercased().first.map { "aeiou".contains($0) } ?? false
        return (isVowel ? "an " : "a ") + words
    }

    /// A prompt for a class: `{class}` becomes its name, `{a class}` its name with an article.
    public static func prompt(_ template: String, class name: String) -> String {
        let readable = name.replacing("_", with: " ")
        return template.replacing("{a class}", with: withArticle(readable)).replacing("{class}", with: readable)
    }

    /// A prompt for a domain of a data set: `{domain}` becomes its name, `{a domain}` its name with an article.
    public static func prompt(_ template: String, domain name: String) -> String {
        let readable = name.replacing("_", with: " ")
        return template.replacing("{a domain}", with: withArticle(readable)).replacing("{domain}", with: readable)
    }

    /// A prompt in a style: `{style}` becomes its words, `{a style}` its words with an article.
    public static func prompt(_ template: String, style words: String) -> String {
        template.replacing("{a style}", with: withArticle(words)).replacing("{style}", with: words)
    }

    /// Whether a template asks for a style.
    public static func namesStyle(_ template: String) -> Bool {
        template.contains("{style}") || template.contains("{a style}")
    }
}
