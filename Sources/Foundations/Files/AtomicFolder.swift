import Foundation

/// Fills a folder beside another and puts it in that one's place, so that a reader, or the next start after a crash, finds the
/// old one or the new.
public enum AtomicFolder {
    /// Replaces the folder at `path`, or makes it.
    ///
    /// What a killed process left of an earlier call is taken over. If anything fails, `path` is as it was.
    /// - Parameter fill: writes into the empty folder that it is given.
    /// - Throws: `FileFormatError` naming `path`, or what `fill` throws.
    public static func replace(_ path: String, _ fill: (_ folder: String) throws -> Void) throws {
        let parent = FilePath.folder(of: path)
        let stem = FilePath.join(parent, ".\(FilePath.name(of: path))")
        let (new, old) = ("\(stem).new", "\(stem).old")
        // One process at a time; the lock goes with its folder.
        let descriptor = try lock(new, for: path)
        defer { close(descriptor) }
        if !Files.exists(path) { Files.move(old, to: path) }
        do {
            for name in Files.names(in: new) ?? [] { Files.remove("\(new)/\(name)") }
            try fill(new)
            Files.remove(old)
            guard Files.move(path, to: old) || errno == ENOENT else { throw failure(path) }
            guard Files.move(new, to: path) else {
                let error = failure(path)
                Files.move(old, to: path)
                throw error
            }
        } catch {
            Files.remove(new)
            throw error
        }
        AtomicFile.syncFolder(parent)
        Files.remove(old)
    }

    /// Makes and locks a folder; again where its last user has meanwhile renamed it.
    private static func lock(_ folder: String, for path: String) throws -> Int32 {
        while true {
            try AtomicFile.makeFolder(folder)
            let descriptor = FilePath.withSystemPath(folder) { open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
            guard descriptor >= 0 else { throw failure(path) }
            while flock(descriptor, LOCK_EX) != 0, errno == EINTR {}
            var own = stat()
            var named = stat()
            if fstat(descriptor, &own) == 0, FilePath.withSystemPath(folder, { stat($0, &named) }) == 0,
                own.st_ino == named.st_ino
            {
                return descriptor
            }
            close(descriptor)
        }
    }

    private static func failure(_ path: String) -> FileFormatError {
        FileFormatError(
            path: path, problem: "cannot be written (\(systemMessage()))",
            remedy: "choose a folder that you may write to")
    }
}
