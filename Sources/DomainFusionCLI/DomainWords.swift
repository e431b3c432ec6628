import DomainFusion
import EmojiDG

/// Words for the styles of the domains of data sets that are known.
enum DomainWords {
    /// The words by domain: the published ones, EmojiDG's vendors', or none.
    static func styles(of dataset: String) -> [String: String] {
        guard dataset == EmojiDG.benchmarkName else { return CrossDomainSettings.publishedStyles(of: dataset) }
        return Dictionary(uniqueKeysWithValues: Vendor.benchmark.map { ($0.rawValue, $0.style) })
    }
}
