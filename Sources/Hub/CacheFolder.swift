import Diffusion
import Foundation
import Foundations

/// Writes one repository's folder of the cache, as `huggingface_hub` does.
struct CacheFolder: Sendable {
    let root: String
    /// `models--ORG--NAME`.
    let name: String

    init(_ cache: HubCache, _ id: HubCache.ModelID) {
        root = cache.root
        name = HubCache.folderName(id)
    }

    var repository: String { "\(root)/\(name)" }

    func blob(_ file: RepositoryFile) -> String { "\(repository)/blobs/\(file.tag)" }

    func lock(_ file: RepositoryFile) -> String { "\(root)/.locks/\(name)/\(file.tag).lock" }

    func snapshot(_ commit: String) -> String { "\(repository)/snapshots/\(commit)" }

    func pointer(_ file: RepositoryFile, _ commit: String) -> String { "\(snapshot(commit))/\(file.path)" }

    /// Whether the whole file is at a path: one that a crash has emptied is fetched again.
    func has(_ file: RepositoryFile, at path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && Int(status.st_size) == file.size
    }

    /// Makes the folders that a download writes to, and marks the cache as one for programs that make backups.
    func prepare() throws {
        for folder in ["\(repository)/blobs", "\(root)/.locks/\(name)"] { try Self.makeFolder(folder) }
        let tag = "\(root)/CACHEDIR.TAG"
        guard access(tag, F_OK) != 0 else { return }
        let text = """
            Signature: 8a477f597d28d172789f06886806bc55
            # This file marks a folder of copies that can be fetched again: https://bford.info/cachedir/

            """
        _ = FileManager.default.createFile(atPath: tag, contents: Data(text.utf8))
    }

    /// Makes `snapshots/COMMIT/PATH` a relative link to the file's blob.
    func link(_ file: RepositoryFile, _ commit: String) throws {
        let pointer = pointer(file, commit)
        guard !has(file, at: pointer) else { return }
        try Self.makeFolder(FilePath.folder(of: pointer))
        let up = String(repeating: "../", count: file.path.split(separator: "/").count + 1)
        // Renamed into place: a link that leads nowhere is replaced, and of two processes none fails.
        let temporary = "\(pointer).tmp"
        unlink(temporary)
        guard symlink("\(up)blobs/\(file.tag)", temporary) == 0 || errno == EEXIST else {
            throw Self.failure(pointer)
        }
        guard rename(temporary, pointer) == 0 else {
            let failure = Self.failure(pointer)
            // Another process may have made it of the same temporary link.
            if has(file, at: pointer) { return }
            unlink(temporary)
            throw failure
        }
    }

    /// Notes which commit a branch or tag stands for.
    func note(_ revision: String, is commit: String) throws {
        let path = "\(repository)/refs/\(revision)"
        guard FileManager.default.contents(atPath: path) != Data(commit.utf8) else { return }
        try Self.makeFolder(FilePath.folder(of: path))
        try AtomicFile.write(commit, to: path)
    }

    private static func makeFolder(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw ModelError(
                path: path,
                "the cache's folder cannot be made; correct its permissions, or name another by HF_HUB_CACHE")
        }
    }

    /// The free bytes of the cache's file system; nil where it does not say.
    var freeBytes: Int? {
        var status = statvfs()
        guard statvfs(root, &status) == 0, status.f_blocks > 0 else { return nil }
        let (bytes, isHuge) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return isHuge ? .max : Int(clamping: bytes)
    }

    /// The error for a call of the system that has just failed.
    /// - Parameter left: bytes that are still to be written.
    static func failure(_ path: String, left: Int? = nil) -> ModelError {
        let code = errno
        let reason = String(cString: strerror(code))
        switch code {
        case ENOSPC, EDQUOT:
            return ModelError(
                path: path,
                "the disk is full" + (left.map { "; \(ByteCount($0)) are still to come" } ?? "")
                    + "; make room and run again: what has come is kept")
        case EACCES, EPERM, EROFS:
            return ModelError(
                path: path,
                "cannot be written (\(reason)); correct its permissions, or name another cache by HF_HUB_CACHE")
        default: return ModelError(path: path, "cannot be written (\(reason)); check the disk")
        }
    }
}
