import Foundation

/// A mistake that a user can mend: one line that names what is wrong and the remedy.
public struct UserError: Error, CustomStringConvertible, LocalizedError, Equatable, Sendable {
    /// What is wrong and what to do about it, in one line without a full stop.
    public let message: String

    /// An error with this message.
    public init(_ message: String) {
        self.message = message
    }

    /// An error for a name that is not among the known ones: `no backbone 'resnet5'; did you mean resnet50?`
    /// - Parameter kind: what is named, a noun.
    public static func unknown(_ kind: String, _ name: String, among known: [String]) -> UserError {
        UserError("no \(kind) '\(name)'" + suggestion(for: name, among: known))
    }

    /// The error as the program prints it: ``message``.
    public var description: String { message }
    /// The same text for Foundation's `localizedDescription`.
    public var errorDescription: String? { message }
}
