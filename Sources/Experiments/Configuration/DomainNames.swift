import DomainGeneralization
import Foundation
import Foundations

/// Domains as they are named on a command line: one in each text, or several with commas.
public enum DomainNames {
    /// The names in some texts. A text that is a domain's name stands for it; any other is cut at its commas, unless a domain
    /// has commas in its own name: then each needs a text of its own.
    /// - Parameter known: the domains' names.
    public static func list(_ texts: [String], known: [String]) -> [String] {
        let hasCommas = known.contains { $0.contains(",") }
        return texts.flatMap { text in
            if known.contains(text) || hasCommas { return [text] }
            return text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        }
    }

    /// The same for the domains in a data set's folder.
    public static func list(_ texts: [String], folder: String) -> [String] {
        let known = (Files.names(in: folder) ?? []).filter { Files.isFolder("\(folder)/\($0)") }
        return list(texts, known: known)
    }
}
