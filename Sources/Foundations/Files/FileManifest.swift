import Foundation

/// Size and SHA-256 of some files of a folder, so that damage shows when they are read back.
public struct FileManifest: Codable, Equatable, Sendable {
    /// What one file was when the manifest was written.
    public struct File: Codable, Equatable, Sendable {
        /// Number of bytes in the file.
        public let size: Int
        /// SHA-256 of the contents, 64 lower-case hexadecimal digits.
        public let sha256: String
    }

    /// The files by their names in the folder.
    public let files: [String: File]

    /// Takes down those of these files that there are.
    public init(folder: String, names: some Sequence<String>) {
        var files: [String: File] = [:]
        for name in names {
            guard let found = SHA256Sum.sizeAndSum(file: "\(folder)/\(name)") else { continue }
            files[name] = File(size: found.size, sha256: found.sha256)
        }
        self.files = files
    }

    /// What is wrong with a file of the folder, after its path: "missing", "12 bytes in place of 20", …; nil for a file that
    /// is as it was.
    public func problem(_ name: String, in folder: String) -> String? {
        guard let expected = files[name] else { return "not among the files that were recorded" }
        errno = 0
        guard let found = SHA256Sum.sizeAndSum(file: "\(folder)/\(name)") else {
            return errno == ENOENT ? "missing" : "cannot be read (\(String(cString: strerror(errno))))"
        }
        guard found.size == expected.size else { return "\(found.size) bytes in place of \(expected.size)" }
        return found.sha256 == expected.sha256 ? nil : "its content is damaged (SHA-256 differs from the recorded one)"
    }
}
