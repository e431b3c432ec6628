import Foundation

/// Why the data set cannot be prepared: one line that names the file and the remedy.
public enum EmojiError: LocalizedError, CustomStringConvertible, Equatable {
    /// A file of a source package is not there.
    case missing(String, package: SourcePackage)
    /// A file of a source package is there but is not what it should be.
    case unreadable(String, reason: String)
    /// The output folder cannot be written.
    case unwritable(String, reason: String)
    /// A folder has no manifest of a prepared data set.
    case notPrepared(String)

    /// The file, what is wrong and the remedy, in one line.
    public var description: String {
        switch self {
        case .missing(let path, let package):
            "\(path): no such file; install it with: \(package.command)"
        case .unreadable(let path, let reason):
            "\(path): \(reason); reinstall the package it comes from"
        case .unwritable(let path, let reason):
            "\(path): cannot be written (\(reason)); choose another folder or correct its permissions"
        case .notPrepared(let path):
            "\(path): not a data set made by this version; run: domainfusion data prepare emoji"
        }
    }

    /// The same text for Foundation's `localizedDescription`.
    public var errorDescription: String? { description }
}
