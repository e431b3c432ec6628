import Foundation

/// A file of a repository on the hub at one commit.
struct RepositoryFile: Sendable, Equatable {
    /// Relative to the repository, with `/`.
    let path: String
    /// In bytes.
    let size: Int
    let digest: BlobDigest.Expected

    /// The name of its blob in the cache: its entity tag.
    var tag: String { digest.text }

    /// Nil for a path that leads out of a folder, or that some system reads otherwise.
    static func isSafe(_ path: String) -> Bool {
        let steps = path.split(separator: "/", omittingEmptySubsequences: false)
        return !path.isEmpty && path.utf8.count <= 1024 && steps.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
            && !path.contains("\\") && path.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 }
    }
}

extension RepositoryFile {
    /// An entry of the hub's list of files, `GET /api/models/ID/tree/COMMIT`.
    struct Entry: Decodable {
        struct LargeFile: Decodable {
            let oid: String
            let size: Int
        }

        let type: String
        let path: String
        let size: Int?
        let oid: String?
        let lfs: LargeFile?
    }

    /// Nil for an entry that is no file, or whose digest is none.
    init?(_ entry: Entry) {
        guard entry.type == "file" else { return nil }
        if let large = entry.lfs {
            guard let digest = BlobDigest.Expected(sha256: large.oid), large.size >= 0 else { return nil }
            self.init(path: entry.path, size: large.size, digest: digest)
        } else {
            guard let oid = entry.oid, let digest = BlobDigest.Expected(gitBlob: oid), let size = entry.size, size >= 0
            else { return nil }
            self.init(path: entry.path, size: size, digest: digest)
        }
    }
}
