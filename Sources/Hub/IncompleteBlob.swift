import Diffusion
import Foundation

/// `blobs/TAG.incomplete`: what has come of a file, and goes on from there after a stop.
///
/// Held by one process at a time (``BlobLock``).
final class IncompleteBlob {
    private let path: String
    private let file: RepositoryFile
    private let descriptor: Int32
    private var digest: BlobDigest
    /// Bytes from which on a file is written to the disk before it gets its name.
    private static let smallest = 1 << 20
    /// Bytes that are there.
    private(set) var count = 0

    /// Opens what is there and takes its digest; begins anew where that is more than the whole file.
    /// - Throws: `ModelError` where the cache cannot be written; what `poll` throws.
    init(path: String, of file: RepositoryFile, poll: () throws -> Void) throws {
        self.path = path
        self.file = file
        digest = BlobDigest(file.digest, size: file.size)
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw CacheFolder.failure(path) }
        let there = Int(lseek(descriptor, 0, SEEK_END))
        if there > file.size { try restart() } else { try read(there, poll: poll) }
    }

    deinit { close(descriptor) }

    private func read(_ length: Int, poll: () throws -> Void) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { buffer.deallocate() }
        while count < length {
            try poll()
            let got = pread(descriptor, buffer.baseAddress, min(buffer.count, length - count), off_t(count))
            guard got > 0 else { throw CacheFolder.failure(path) }
            digest.update(UnsafeRawBufferPointer(rebasing: buffer[..<got]))
            count += got
        }
    }

    /// Forgets what has come.
    func restart() throws {
        guard ftruncate(descriptor, 0) == 0 else { throw CacheFolder.failure(path) }
        digest = BlobDigest(file.digest, size: file.size)
        count = 0
    }

    /// - Throws: `ModelError` on a full disk, or for more bytes than the file has.
    func append(_ bytes: UnsafeRawBufferPointer) throws {
        guard bytes.count <= file.size - count else {
            try restart()
            throw ModelError(
                path: file.path, "more than the \(file.size) bytes of the hub's list came; try again later")
        }
        var rest = bytes
        while let start = rest.baseAddress, rest.count > 0 {
            let written = pwrite(descriptor, start, rest.count, off_t(count))
            if written < 0 {
                if errno == EINTR { continue }
                throw CacheFolder.failure(path, left: file.size - count)
            }
            digest.update(UnsafeRawBufferPointer(rebasing: rest[..<written]))
            count += written
            rest = UnsafeRawBufferPointer(rebasing: rest[written...])
        }
    }

    /// Compares the digest and gives the whole file its name; a wrong one is deleted.
    func finish(as blob: String) throws {
        let found = digest.text
        guard found == file.digest.text else {
            unlink(path)
            throw ModelError(
                path: file.path,
                "what came has the \(file.digest.name) \(found), not \(file.digest.text), and is deleted; download again"
            )
        }
        // Of a small file its size shows whether a crash has taken it.
        if file.size >= Self.smallest, fsync(descriptor) != 0, errno != EINVAL { throw CacheFolder.failure(blob) }
        guard rename(path, blob) == 0 else { throw CacheFolder.failure(blob) }
    }
}
