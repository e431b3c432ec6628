import CProcess
import Foundation
import Synchronization

/// A whole file mapped into memory for as long as the object lives.
///
/// The file's size is taken before mapping, and nothing past it is ever visible. Pages are read when they are touched.
/// A tensor that borrows the memory may be changed in place: that copies the pages and never reaches the file.
public final class MappedFile: @unchecked Sendable {
    // Safe to share: the mapping is private and unmapped only when the last reference goes; writers of tensors
    // synchronise.
    /// The path it was opened with.
    public let path: String
    /// The file's bytes, for an owner that keeps this object alive; otherwise use ``withBytes(_:)``, since the object may
    /// go, and the mapping with it, right after its own last use.
    public let bytes: UnsafeRawBufferPointer

    /// Size in bytes.
    public var count: Int { bytes.count }

    /// Maps the file at `path`.
    ///
    /// - Throws: `FileFormatError` if there is no such file, it is not a regular file, or it cannot be read.
    public init(path: String) throws {
        self.path = path
        // A named pipe is not waited for.
        let descriptor = FilePath.withSystemPath(path) { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        guard descriptor >= 0 else {
            let remedy =
                errno == EMFILE
                ? "raise the limit of open files (ulimit -n)" : "check the path and its permissions"
            throw FileFormatError(path: path, problem: systemMessage(), remedy: remedy)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw FileFormatError(path: path, problem: systemMessage(), remedy: "check the disk")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw FileFormatError(
                path: path, problem: "not a regular file", remedy: "name a file, not a folder or device")
        }
        let size = Int(status.st_size)
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        // Writable, since an optimiser may train tensors in place; private, so that the file stays as it is.
        let protection = PROT_READ | PROT_WRITE
        guard let start = mmap(nil, size, protection, MAP_PRIVATE | MAP_NORESERVE, descriptor, 0), start != MAP_FAILED
        else {
            throw FileFormatError(
                path: path, problem: "cannot map \(size) bytes: \(systemMessage())", remedy: "free some address space")
        }
        bytes = UnsafeRawBufferPointer(start: start, count: size)
        Self.mapped.withLock { $0[UInt(bitPattern: start)] = size }
        plainText(path).withCString { cprocess_add_mapping(start, size, $0) }
    }

    /// From now on, a mapped file that another process cuts short (or whose disk fails) ends this one with a line that names
    /// the file, where it would have crashed. For programs, not for libraries: it takes the signal SIGBUS.
    public static func explainLoss() { cprocess_watch_mappings() }

    /// Start and size of the mappings there are.
    private static let mapped = Mutex<[UInt: Int]>([:])

    /// Gives the pages inside `range` back to the system, if they are part of a mapped file: they no longer count as this
    /// process's memory and are read again when they are touched.
    /// - Precondition: they are as they are in the file; what was changed in place would be lost.
    package static func releasePages(_ range: UnsafeRawBufferPointer) {
        let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
        guard let base = range.baseAddress else { return }
        let (low, high) = (UInt(bitPattern: base), UInt(bitPattern: base) + UInt(range.count))
        let (first, end) = ((low + page - 1) / page * page, high / page * page)
        guard first < end, let start = UnsafeMutableRawPointer(bitPattern: first) else { return }
        mapped.withLock { mappings in
            guard mappings.contains(where: { $0.key <= low && high <= $0.key + UInt($0.value) }) else { return }
            _ = madvise(start, Int(end - first), MADV_DONTNEED)
        }
    }

    /// Calls `body` with the file's bytes, which stay mapped until it returns.
    public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withExtendedLifetime(self) { try body(bytes) }
    }

    deinit {
        if let start = bytes.baseAddress {
            Self.mapped.withLock { _ = $0.removeValue(forKey: UInt(bitPattern: start)) }
            cprocess_remove_mapping(start)
            munmap(UnsafeMutableRawPointer(mutating: start), bytes.count)
        }
    }
}
