import ArgumentParser

struct FeaturesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "features", abstract: "What a diffusion model's U-Net sees in images: its pooled activations.",
        discussion: """
            'domainfusion train --features ldm' gives them to the classifier. They are worked out once an image, and kept in the \
            store: 'compute' fills it ahead, 'report' says which block to take, 'fuse' what they add to runs that were trained without.

              domainfusion features report --data data/EmojiDG --test-domain unifont
              domainfusion features compute --data data/EmojiDG --block up0 --times 50,200,450
            """,
        subcommands: [FeaturesComputeCommand.self, FeaturesReportCommand.self, FeaturesFuseCommand.self])

    /// Time steps of a comma-separated list.
    /// - Throws: `ValidationError` for what is no list of whole numbers.
    static func times(_ text: String) throws -> [Int] {
        let parts = text.split(separator: ",").map { Int($0.trimmingCharacters(in: .whitespaces)) }
        guard !parts.isEmpty, parts.allSatisfy({ $0 != nil }) else {
            throw ValidationError("--times: \(text) is not a list of whole numbers separated by commas")
        }
        return parts.compactMap { $0 }
    }
}
