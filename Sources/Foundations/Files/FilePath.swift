import Foundation

/// A path as text, taken apart as POSIX's `dirname` and `basename` do it: any text has an answer, one character, slashes
/// at its end and no text at all among them.
///
/// A file name is bytes on Linux, and need not be UTF-8. Where it is not, its other bytes stand in a path's text as the
/// characters U+F780 to U+F7FF of the private area; ``withSystemPath(_:_:)`` turns them back.
public enum FilePath {
    /// The folder that holds what `path` names: `.` for a plain name, `/` for the root.
    public static func folder(of path: String) -> String {
        let named = withoutSlashesAtEnd(path[...])
        guard let slash = named.utf8.lastIndex(of: separator) else { return path.utf8.first == separator ? "/" : "." }
        let folder = withoutSlashesAtEnd(named[..<slash])
        return folder.isEmpty ? "/" : String(folder)
    }

    /// The last part: `c.png` of `a/b/c.png`, `b` of `a/b/`, `/` of the root.
    public static func name(of path: String) -> String {
        let named = withoutSlashesAtEnd(path[...])
        guard !named.isEmpty else { return path.isEmpty ? "" : "/" }
        guard let slash = named.utf8.lastIndex(of: separator) else { return String(named) }
        return String(named[named.utf8.index(after: slash)...])
    }

    /// What follows the last dot of the name, as it is written; empty where there is none or the name begins with it.
    public static func fileExtension(of path: String) -> String {
        let name = name(of: path)
        guard let dot = lastDot(name) else { return "" }
        return String(name[name.utf8.index(after: dot)...])
    }

    /// The path without its name's last dot and what follows it.
    public static func withoutExtension(_ path: String) -> String {
        let named = withoutSlashesAtEnd(path[...])
        let name = name(of: path)
        guard let dot = lastDot(name) else { return String(named) }
        return String(named.utf8.dropLast(name.utf8[dot...].count)) ?? String(named)
    }

    /// The name without its last dot and what follows it.
    public static func stem(of path: String) -> String { withoutExtension(name(of: path)) }

    /// `name` in `folder`, with one slash between them; `name` alone for the working folder.
    public static func join(_ folder: String, _ name: String) -> String {
        folder.isEmpty || folder == "." ? name : "\(withoutSlashesAtEnd(folder[...]))/\(name)"
    }

    // Bytes are looked at, not characters: a mark that combines with a slash or a dot is no part of either.
    private static let separator = UInt8(ascii: "/")

    /// Where the extension begins.
    private static func lastDot(_ name: String) -> String.Index? {
        guard name != "..", let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")), dot != name.startIndex else {
            return nil
        }
        return dot
    }

    private static func withoutSlashesAtEnd(_ path: Substring) -> Substring {
        var end = path.endIndex
        while end > path.startIndex, path.utf8[path.utf8.index(before: end)] == separator {
            end = path.utf8.index(before: end)
        }
        return path[..<end]
    }
}
