import Diffusion
import Foundation

/// Downloads models from the Hugging Face hub into its local cache.
///
/// ```swift
/// if let id = HubCache.ModelID("stabilityai/sd-turbo") {
///     let snapshot = try HubDownload().fetch(id)
///     let model = try LatentDiffusionModel(path: snapshot.folder)
/// }
/// ```
///
/// Only the files are fetched that `LatentDiffusionModel` reads, one form of the weights of each part. What was stopped
/// goes on where it ended; every file's digest is compared with the hub's. The cache is as `huggingface_hub` lays it out.
public struct HubDownload: Sendable {
    /// What happens meanwhile.
    public enum Event: Sendable {
        /// Once, when small lists have shown what is missing, before the rest is fetched: how many files are missing, and
        /// how many bytes are still to come.
        case begins(files: Int, bytes: Int)
        /// A line about a difficulty that is being dealt with.
        case note(String)
        /// Bytes of a file that are there.
        case progress(file: String, bytes: Int, of: Int)
        /// So many bytes of this file of the repository are on the disk now.
        case fetched(file: String, bytes: Int)
    }

    /// The hub's address, the token, and whether there is a network: by default of the environment.
    public var settings: HubSettings
    /// The cache that files are put into.
    public var cache: HubCache
    /// Which form of the weights is chosen where there are several: see `ModelFiles.Selection`.
    public var precision: ModelPrecision
    /// Whether the form of that precision (`fp16`) is insisted on.
    public var needsVariant = false
    /// Called while bytes come and while waiting; what it throws ends the download, which can be gone on with.
    public var poll: @Sendable () throws -> Void = {}
    /// Called with what happens, for a progress bar; by default nobody is told.
    public var report: @Sendable (Event) -> Void = { _ in }
    var retries = RetryPolicy()
    /// Nothing coming for so long breaks a connection off.
    var stallSeconds = 30.0

    /// Downloads into a cache, with the environment's settings unless others are given.
    /// - Throws: `ModelError` for variables in the environment that cannot be used.
    public init(
        settings: HubSettings? = nil, cache: HubCache = HubCache(), precision: ModelPrecision = .float32
    ) throws {
        self.settings = try settings ?? HubSettings()
        self.cache = cache
        self.precision = precision
    }

    /// The snapshot of a model at its revision, whole. The hub is asked which commit a branch or tag stands for; a commit
    /// that is whole in the cache is not asked about.
    /// - Throws: `ModelError`, one line with the remedy; what ``poll`` throws.
    public func fetch(_ id: HubCache.ModelID) throws -> HubCache.Snapshot {
        if id.isCommit || settings.isOffline, !needsVariant, let found = cache.completeSnapshot(id) { return found }
        guard !settings.isOffline else {
            throw ModelError(
                path: "\(id)",
                "not fetched, for HF_HUB_OFFLINE is set, and not all of it is in the Hugging Face cache (\(cache.root)); "
                    + "unset HF_HUB_OFFLINE")
        }
        do {
            return try fetchOnline(id)
        } catch let failure as HTTPClient.Failure {
            throw ModelError(path: "\(id)", "cannot be fetched (\(failure))")
        }
    }

    private func fetchOnline(_ id: HubCache.ModelID) throws -> HubCache.Snapshot {
        let client = try HubClient(
            id, settings: settings, retries: retries, stallSeconds: stallSeconds, note: { report(.note($0)) },
            poll: poll)
        let commit = id.isCommit ? id.revision : try client.commit()
        let files = try client.files(commit)
        let folder = CacheFolder(cache, id)

        guard let index = files[ModelFiles.index] else {
            throw ModelError(path: "\(id)", "no model in diffusers layout: it has no \(ModelFiles.index); name another")
        }
        try folder.prepare()
        // What is refused is refused before gigabytes have come.
        try fetch([index], commit, folder, client, isTold: false)
        try ModelFiles.check(folder: folder.snapshot(commit))
        let selection = try ModelFiles.Selection(
            among: Set(files.keys), precision: precision, needsVariant: needsVariant, model: "\(id)")
        let indices = try selection.indices.map { try Self.file($0, files, id) }
        try fetch(indices, commit, folder, client, isTold: false)
        let shards = try selection.indices.flatMap { try selection.shards($0, folder: folder.snapshot(commit)) }

        let wanted = try (selection.files + shards).map { try Self.file($0, files, id) }
        let missing = wanted.filter {
            !folder.has($0, at: folder.pointer($0, commit)) && !folder.has($0, at: folder.blob($0))
        }
        let bytes = missing.reduce(0) { $0 + max(0, $1.size - Self.partial(folder.blob($1))) }
        if !missing.isEmpty {
            report(.begins(files: missing.count, bytes: bytes))
            try checkSpace(bytes, folder)
        }
        try fetch(wanted, commit, folder, client, isTold: true)
        if !id.isCommit { try folder.note(id.revision, is: commit) }
        return try cache.snapshot(id)
    }

    private static func file(
        _ path: String, _ files: [String: RepositoryFile], _ id: HubCache.ModelID
    ) throws -> RepositoryFile {
        guard let file = files[path] else {
            throw ModelError(
                path: "\(id)", "\(path), which its index names, is missing in the repository; name another")
        }
        return file
    }

    /// Bytes that an earlier download has left.
    private static func partial(_ blob: String) -> Int {
        let attributes = try? FileManager.default.attributesOfItem(atPath: "\(blob).incomplete")
        return (attributes?[.size] as? NSNumber)?.intValue ?? 0
    }

    private func checkSpace(_ bytes: Int, _ folder: CacheFolder) throws {
        guard let free = folder.freeBytes, free < bytes else { return }
        throw ModelError(
            path: folder.root,
            "\(ByteCount(bytes)) are still to come, but \(ByteCount(free)) are free; make room, or name another cache by "
                + "HF_HUB_CACHE")
    }

    /// Brings files that are not there, and links them into the snapshot.
    private func fetch(
        _ files: [RepositoryFile], _ commit: String, _ folder: CacheFolder, _ client: HubClient, isTold: Bool
    ) throws {
        for file in files where !folder.has(file, at: folder.pointer(file, commit)) {
            let blob = folder.blob(file)
            if !folder.has(file, at: blob) {
                var isWaiting = false
                try BlobLock.hold(folder.lock(file)) {
                    try poll()
                    if !isWaiting { report(.note("\(file.path): another process downloads it; waiting")) }
                    isWaiting = true
                } _: {
                    // Another process may have brought it meanwhile.
                    guard !folder.has(file, at: blob) else { return }
                    let incomplete = try IncompleteBlob(path: "\(blob).incomplete", of: file, poll: poll)
                    try client.download(file, commit, into: incomplete) { bytes in
                        if isTold { report(.progress(file: file.path, bytes: bytes, of: file.size)) }
                    }
                    try incomplete.finish(as: blob)
                    if isTold { report(.fetched(file: file.path, bytes: file.size)) }
                }
            }
            try folder.link(file, commit)
        }
    }
}
