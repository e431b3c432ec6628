import Foundation

/// A mistake that a user can mend: one line that names what is wrong and the remedy.
public struct UserError: Error, CustomStringConvertible, LocalizedError, Equatable, Sendable {
    public let message: String

    public init(_ message: String) {
        self.message = message
    }

    /// An error for a name that is not among the known ones: `no backbone 'resnet5'; did you mean resnet50?`
    /// - Parameter kind: what is named, a noun.
    public static func unknown(_ kind: String, _ name: String, among known: [String]) -> UserError {
        UserError("no \(kind) '\(name)'" + suggestion(for: name, among: known))
    }

    public var description: String { message }
    public var errorDescription: String? { message }
}
