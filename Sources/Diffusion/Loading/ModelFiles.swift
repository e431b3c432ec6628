import Foundation
import Torch

/// Which files a model in diffusers layout is read from.
public enum ModelFiles {
    /// The file that lists a model's parts.
    public static let index = "model_index.json"

    /// Refuses a folder whose `model_index.json` names something else than Stable Diffusion.
    /// - Throws: ``ModelError`` naming the class or the part.
    public static func check(folder: String) throws { try ModelIndex.check(folder: folder) }

    /// Weights: the part's folder and what its files may be called.
    static let weights = [
        (part: "vae", stems: ["diffusion_pytorch_model"]), (part: "unet", stems: ["diffusion_pytorch_model"]),
        (part: "text_encoder", stems: ["model", "pytorch_model"]),
    ]
    private static let configurations = [
        "scheduler/scheduler_config.json", "vae/config.json", "unet/config.json", "text_encoder/config.json",
    ]
    /// A tokenizer's words are in two files, or in one.
    private static let words = ["tokenizer/vocab.json", "tokenizer/merges.txt"]
    private static let wholeTokenizer = "tokenizer/tokenizer.json"
    private static let optional = [
        "tokenizer/tokenizer_config.json", "tokenizer/special_tokens_map.json", "tokenizer/added_tokens.json",
    ]

    /// The files without which there is no model, beside the weights.
    /// - Parameter exists: whether there is a file of this path.
    private static func needed(_ exists: (String) -> Bool) -> [String] {
        configurations + (exists(wholeTokenizer) && !words.allSatisfy(exists) ? [wholeTokenizer] : words)
    }

    /// Whether a folder has all that ``LatentDiffusionModel`` reads, in any form.
    public static func isComplete(folder: String) -> Bool {
        func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(folder)/\(name)") }
        return needed(exists).allSatisfy(exists)
            && weights.allSatisfy { part, stems in
                guard let name = ModelWeights.names(stems, .float32).first(where: { exists("\(part)/\($0)") }) else {
                    return false
                }
                guard name.hasSuffix(".json") else { return true }
                return (try? SafetensorsIndex.read("\(folder)/\(part)/\(name)")) != nil
            }
    }

    /// The files to fetch of a repository: those that are read, of each part's weights the one form that the
    /// precision is made of with the least loss, and only as safetensors.
    public struct Selection: Sendable {
        /// Files that are fetched as they are.
        public let files: [String]
        /// Lists of shards, which name more files (``shards(_:folder:)``).
        public let indices: [String]

        /// Chooses among a repository's files.
        /// - Parameters:
        ///   - names: all paths of the repository.
        ///   - needsVariant: whether at least one part must have weights of the 16-bit precision itself.
        ///   - model: names it in errors.
        /// - Throws: ``ModelError`` naming a file that is missing.
        public init(among names: Set<String>, precision: ModelPrecision, needsVariant: Bool, model: String) throws {
            let needed = ModelFiles.needed(names.contains)
            for name in needed where !names.contains(name) {
                throw ModelError(
                    path: model, "no Stable Diffusion in diffusers layout: it has no \(name); name another")
            }
            var chosen: [String] = []
            for (part, stems) in ModelFiles.weights {
                let candidates = ModelWeights.names(stems, precision.dtype).filter { !$0.hasSuffix(".bin") }
                guard let name = candidates.map({ "\(part)/\($0)" }).first(where: names.contains) else {
                    let others = names.filter { $0.hasPrefix("\(part)/") && $0.hasSuffix(".bin") }.sorted()
                    throw ModelError(
                        path: model,
                        "\(part) has no weights as safetensors"
                            + (others.first.map { ", only \($0), which may run code in Python and is not fetched" }
                                ?? "")
                            + "; name another model or revision")
                }
                chosen.append(name)
            }
            let mark = precision == .bfloat16 ? ".bf16." : ".fp16."
            guard !needsVariant || precision == .float32 || chosen.contains(where: { $0.contains(mark) }) else {
                throw ModelError(
                    path: model, "has no weights of the variant \(mark.dropFirst().dropLast()); leave --variant out")
            }
            files =
                needed + ModelFiles.optional.filter(names.contains)
                + chosen.filter { $0.hasSuffix(".safetensors") }
            indices = chosen.filter { $0.hasSuffix(".json") }
        }

        /// The files that an index names, which has been fetched into a folder.
        /// - Parameter index: one of ``indices``.
        /// - Throws: `FileFormatError` where it is none, or names a file outside its own folder.
        public func shards(_ index: String, folder: String) throws -> [String] {
            let part = index.prefix { $0 != "/" }
            return try Set(SafetensorsIndex.names("\(folder)/\(index)").values).sorted().map { "\(part)/\($0)" }
        }
    }
}
