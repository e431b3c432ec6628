import ArgumentParser
import Backbones
import DomainGeneralization
import Experiments
import Foundations

extension CompletionKind {
    /// Files of images that are read.
    static var images: CompletionKind { .file(extensions: ["jpg", "jpeg", "png", "webp", "bmp"]) }

    /// Files of weights.
    static var weights: CompletionKind { .file(extensions: ["pth", "safetensors"]) }

    /// The algorithms' names, also after commas.
    static var algorithms: CompletionKind {
        .custom { _, _, prefix in Completions.listed(AlgorithmRegistry.all.algorithms.map(\.name), after: prefix) }
    }

    /// The backbones' names.
    static var backbones: CompletionKind { .list(Backbones.all.map(\.name)) }

    /// The domains of the data set that the command line names, also after commas.
    static var domains: CompletionKind {
        .custom { words, _, prefix in Completions.listed(Completions.domains(of: words), after: prefix) }
    }
}

/// What a shell may complete a word to, where that depends on the words before it.
enum Completions {
    /// The options that name a data set.
    private static let options: Set = ["--data", "--dataset", "--datasets", "--corpus"]

    /// The names that go on with a word: with one, or after a comma with one that is not in it yet.
    static func listed(_ names: [String], after prefix: String) -> [String] {
        let parts = prefix.split(separator: ",", omittingEmptySubsequences: false)
        let given = parts.dropLast().map(String.init)
        return names.filter { !given.contains($0) }.map { (given + [$0]).joined(separator: ",") }
    }

    /// The domains of the data set that a command line names: by an option, or as the word after `init`.
    static func domains(of words: [String]) -> [String] {
        func word(after isOption: (String) -> Bool) -> String? {
            words.dropLast().lastIndex(where: isOption).map { words[$0 + 1] }
        }
        let folder = word(after: options.contains) ?? word { $0 == "init" } ?? RunConfiguration().data
        let path = KnownDataset.locate(folder)
        return (Files.names(in: path) ?? []).filter { !$0.hasPrefix(".") && Files.isFolder("\(path)/\($0)") }
    }
}
