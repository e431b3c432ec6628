import Foundation

/// Lets one process at a time download a blob, `huggingface_hub` among them; a killed one lets go.
enum BlobLock {
    /// Runs `body` while holding the lock file.
    /// - Parameters:
    ///   - wait: called again and again while another holds it; what it throws ends the waiting.
    /// - Throws: `ModelError` naming the file where it cannot be locked; what the closures throw.
    static func hold<Result>(_ path: String, wait: () throws -> Void, _ body: () throws -> Result) throws -> Result {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o664)
        guard descriptor >= 0 else { throw CacheFolder.failure(path) }
        defer { close(descriptor) }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EINTR || errno == EWOULDBLOCK else { throw CacheFolder.failure(path) }
            try wait()
            usleep(100_000)
        }
        return try body()
    }
}
