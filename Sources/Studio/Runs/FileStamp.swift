import Foundation
import Foundations

/// When a file or folder was changed, and what it is: enough to see that it was changed since.
struct FileStamp: Sendable, Equatable {
    /// Seconds since 1970.
    let modified: Double
    let size: Int
    private let inode: UInt
    private let nanoseconds: Int
    let isFolder: Bool
    /// Whether it is a plain file, and no link to one.
    let isFile: Bool

    /// The stamp of what a path names, of a link its own; nil where there is nothing.
    init?(_ path: String) {
        var status = stat()
        guard FilePath.withSystemPath(path, { lstat($0, &status) }) == 0 else { return nil }
        (size, inode, nanoseconds) = (Int(status.st_size), UInt(status.st_ino), status.st_mtim.tv_nsec)
        modified = Double(status.st_mtim.tv_sec) + Double(nanoseconds) / 1e9
        isFolder = status.st_mode & S_IFMT == S_IFDIR
        isFile = status.st_mode & S_IFMT == S_IFREG
    }

    var date: Date { Date(timeIntervalSince1970: modified) }

    /// Whether it was changed so lately that another change may leave the same stamp: clocks of file systems are coarse.
    func isFresh(at now: Date = Date()) -> Bool { now.timeIntervalSince1970 - modified < 2 }
}
