import DomainGeneralization

extension Limit where Value == String {
    /// Prompts that name the class.
    static var prompt: Limit { Limit("a text with {class} or {a class} in it", namesClass) }

    /// Prompts that name the class, or nothing.
    static var promptOrEmpty: Limit {
        Limit("a text with {class} or {a class} in it, or empty") { $0.isEmpty || namesClass($0) }
    }
}

extension Limit where Value == [String] {
    /// At least one prompt, each of which names the class.
    static var prompts: Limit {
        Limit("texts with {class} or {a class} in them") { !$0.isEmpty && $0.allSatisfy(namesClass) }
    }
}

private let namesClass: @Sendable (String) -> Bool = { $0.contains("{class}") || $0.contains("{a class}") }
