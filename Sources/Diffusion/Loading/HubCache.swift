import Foundation
import Foundations
import Torch

/// The local cache of the Hugging Face hub, as `huggingface_hub` lays it out. Nothing is fetched here: the module
/// `Hub` does that.
///
///     ROOT/models--ORG--NAME/refs/main                          the commit that a name stands for
///     ROOT/models--ORG--NAME/snapshots/COMMIT/unet/config.json  links to blobs
///     ROOT/models--ORG--NAME/.no_exist/COMMIT/FILE              files that are known not to exist
public struct HubCache: Sendable {
    /// The cache's folder.
    public let root: String

    /// The cache in a folder, which need not exist.
    public init(root: String) { self.root = root }

    /// The cache that the environment names: `HF_HUB_CACHE` (formerly `HUGGINGFACE_HUB_CACHE`), else `hub` in `HF_HOME`,
    /// else in `huggingface` in `XDG_CACHE_HOME` or `~/.cache`.
    public init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        root =
            Self.path("HF_HUB_CACHE", environment) ?? Self.path("HUGGINGFACE_HUB_CACHE", environment)
            ?? "\(Self.home(environment))/hub"
    }

    /// The file that `hf auth login` keeps a token in: `HF_TOKEN_PATH`, else `token` in `HF_HOME`.
    public static func tokenPath(environment: [String: String]) -> String {
        path("HF_TOKEN_PATH", environment) ?? "\(home(environment))/token"
    }

    private static func home(_ environment: [String: String]) -> String {
        let cache = path("XDG_CACHE_HOME", environment) ?? (environment["HOME"] ?? NSHomeDirectory()) + "/.cache"
        return path("HF_HOME", environment) ?? "\(cache)/huggingface"
    }

    /// A variable's path, with other variables and `~` replaced in it.
    private static func path(_ name: String, _ environment: [String: String]) -> String? {
        guard let value = environment[name], !value.isEmpty else { return nil }
        let home = environment["HOME"] ?? NSHomeDirectory()
        let expanded = value.replacing(/\$\{?(\w+)\}?/) { environment[String($0.1)] ?? String($0.0) }
        return expanded == "~" || expanded.hasPrefix("~/") ? home + expanded.dropFirst() : expanded
    }

    /// A model on the hub: `ORG/NAME`, or `ORG/NAME@REVISION` with a branch, a tag or a commit of 40 hexadecimal digits.
    public struct ModelID: Sendable, Equatable, CustomStringConvertible {
        /// The repository: `ORG/NAME`.
        public let name: String
        /// The branch, tag or commit; `main` where none is named.
        public let revision: String

        /// Paths of the hub's own pages, which no user or organisation is called.
        private static let reserved: Set = ["models", "datasets", "spaces", "api"]

        /// What a file's name ends with, whose owner means that file and no model of the hub.
        private static let fileEndings: Set = ["safetensors", "ckpt", "pt", "pth", "pkl", "bin"]

        /// Nil for a text that cannot be an id.
        public init?(_ text: String) {
            let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let name = parts[0]
            guard name.count <= 96, name.wholeMatch(of: /[A-Za-z0-9_][\w.-]*\/[A-Za-z0-9_][\w.-]*/) != nil,
                !name.contains("--"), !name.contains(".."), name.last.map({ !".-".contains($0) }) ?? false,
                !Self.reserved.contains(name.prefix { $0 != "/" }.lowercased()),
                !Self.fileEndings.contains(FilePath.fileExtension(of: name).lowercased())
            else { return nil }
            self.name = name
            revision = parts.count == 2 ? parts[1] : "main"
            let steps = revision.split(separator: "/", omittingEmptySubsequences: false)
            guard !revision.isEmpty, steps.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }) else { return nil }
        }

        /// Whether the revision is a commit, which never changes.
        public var isCommit: Bool { revision.wholeMatch(of: /[0-9a-f]{40}/) != nil }

        /// The id as ``init(_:)`` reads it, without the revision where that is `main`.
        public var description: String { revision == "main" ? name : "\(name)@\(revision)" }

        /// The command that fetches the model.
        var download: String { "domainfusion ldm download \(self)" }
    }

    /// One commit's files.
    public struct Snapshot: Sendable, Equatable {
        /// The model and the revision that was asked for.
        public let id: ModelID
        /// The commit of 40 hexadecimal digits that the revision stands for.
        public let commit: String
        /// The folder with the commit's files, in diffusers layout.
        public let folder: String
        /// Where files are noted that the repository is known not to have.
        let absent: String
    }

    /// The name of a model's folder in the cache: `models--ORG--NAME`.
    public static func folderName(_ id: ModelID) -> String { "models--" + id.name.replacing("/", with: "--") }

    /// The snapshot of a model at its revision; nil where it is not there or not all of it.
    public func completeSnapshot(_ id: ModelID) -> Snapshot? {
        guard let found = try? snapshot(id), ModelFiles.isComplete(folder: found.folder) else { return nil }
        return found
    }

    /// The snapshot of a model at its revision.
    /// - Throws: ``ModelError`` saying what to fetch, or which file of the cache is damaged.
    public func snapshot(_ id: ModelID) throws -> Snapshot {
        let repository = "\(root)/\(Self.folderName(id))"
        var commit = id.revision
        if !id.isCommit {
            let reference = "\(repository)/refs/\(id.revision)"
            guard FileManager.default.fileExists(atPath: reference) else {
                throw ModelError(
                    path: "\(id)", "not in the Hugging Face cache (\(root)); fetch it with '\(id.download)'")
            }
            let bytes = FileManager.default.contents(atPath: reference) ?? Data()
            commit = String(decoding: bytes.prefix(100), as: UTF8.self)
                .trimmingCharacters(in: .whitespacesAndNewlines)
            guard commit.wholeMatch(of: /[0-9a-f]{40}/) != nil else {
                throw ModelError(
                    path: reference, "names no commit of 40 hexadecimal digits; fetch it again: '\(id.download)'")
            }
        }
        let folder = "\(repository)/snapshots/\(commit)"
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
            throw ModelError(
                path: "\(id)",
                "commit \(commit) is not in the Hugging Face cache (\(root)); fetch it with '\(id.download)'")
        }
        return Snapshot(id: id, commit: commit, folder: folder, absent: "\(repository)/.no_exist/\(commit)")
    }
}

/// Where a model is: a folder, a single file, or a snapshot in the cache of the Hugging Face hub.
struct ModelLocation {
    /// The folder or the file.
    let path: String
    /// Whether it is a single file.
    let isFile: Bool
    private let snapshot: HubCache.Snapshot?

    /// - Parameter name: a folder in diffusers layout, a single file, `ORG/NAME` or `ORG/NAME@REVISION`. What exists wins.
    /// - Throws: ``ModelError`` saying what was looked for, and what to fetch.
    init(_ name: String, cache: HubCache = HubCache()) throws {
        let located = InstalledFiles.here.locate(name)
        if Files.exists(located) {
            (path, isFile, snapshot) = (located, !Files.isFolder(located), nil)
            return
        }
        guard let id = HubCache.ModelID(name) else {
            throw ModelError(
                path: name,
                "no such model; wanted a folder in diffusers layout (unet/, vae/, …), a file of Stable Diffusion, or ORG/NAME"
            )
        }
        let found = try cache.snapshot(id)
        (path, isFile, snapshot) = (found.folder, false, found)
    }

    /// The error for a part (`unet`) that is not there.
    func missing(_ part: String) -> ModelError {
        guard let snapshot else {
            return ModelError(path: "\(path)/\(part)", "missing; a model folder in diffusers layout has it")
        }
        if FileManager.default.fileExists(atPath: "\(snapshot.absent)/\(part)") {
            return ModelError(path: "\(snapshot.id)", "has no \(part): not a model in diffusers layout; name another")
        }
        return ModelError(
            path: "\(snapshot.id)",
            "\(part) is not in the Hugging Face cache; fetch it with '\(snapshot.id.download)'")
    }
}
