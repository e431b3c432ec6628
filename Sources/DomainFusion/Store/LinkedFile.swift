import Foundation
import Foundations

/// Files under a second name.
enum LinkedFile {
    /// Puts a file at another path, in the place of what is there: the same file where both are on one disk, so that it takes no more
    /// room, otherwise a copy.
    /// - Throws: a one-line error when the file cannot be read or put there.
    static func place(_ file: String, at path: String) throws {
        try AtomicFile.makeFolder(FilePath.folder(of: path))
        let beside = path + ".link"
        var isPlaced = false
        // Another process that puts the same file there can take this one's link away, or put it in place itself.
        for _ in 0..<attempts where !isPlaced {
            Files.remove(beside)
            let isLinked = FilePath.withSystemPath(file) { from in
                FilePath.withSystemPath(beside) { link(from, $0) == 0 }
            }
            guard isLinked || errno == EEXIST else { return try copy(file, to: path) }
            isPlaced = FilePath.withSystemPath(beside) { from in FilePath.withSystemPath(path) { rename(from, $0) == 0 }
            }
            guard isPlaced || errno == ENOENT else { break }
        }
        guard isPlaced else {
            throw FileFormatError(
                path: path, problem: "cannot be written (\(systemMessage()))",
                remedy: "correct the folder's permissions")
        }
        // Two names of one file: the system leaves the first one then.
        Files.remove(beside)
    }

    private static let attempts = 100

    private static func copy(_ file: String, to path: String) throws {
        let content = try MappedFile(path: file)
        try AtomicFile.write(to: path) { append in
            try withExtendedLifetime(content) { try append(content.bytes) }
        }
    }
}
