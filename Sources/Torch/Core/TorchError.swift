import CTorch
import Foundation

/// A failure inside libtorch, or a request that it cannot meet. One line, fit for a person.
public struct TorchError: Error, CustomStringConvertible, LocalizedError, Sendable {
    /// What failed, in one line: the operator and libtorch's message without its C++ stack.
    public let message: String
    /// Whether the cause is a lack of memory.
    public let isOutOfMemory: Bool

    /// An error with this message.
    public init(_ message: String, isOutOfMemory: Bool = false) {
        self.message = message
        self.isOutOfMemory = isOutOfMemory
    }

    /// The error as it is printed: ``message``.
    public var description: String { message }
    /// The same text for Foundation's `localizedDescription`.
    public var errorDescription: String? { message }
}

/// The first failure inside a `withTorchErrors` block.
final class ErrorScope: @unchecked Sendable {  // only touched by the thread that runs the block
    @TaskLocal static var current: ErrorScope?
    var first: TorchError?
}

/// Runs `body`; an operator that fails in it does not stop the process: its error is thrown at the end of the block.
///
/// Operators do not throw, since a wrong shape is a programmer's error. Where a failure can be a user's doing or the
/// machine's (out of memory, a server's request), wrap the work in this. After a failure the block goes on with empty
/// tensors, so keep it free of side effects.
/// - Throws: ``TorchError``, the first failure; and whatever `body` throws.
public func withTorchErrors<Result>(_ body: () throws -> Result) throws -> Result {
    let scope = ErrorScope()
    let result: Swift.Result<Result, any Error> = ErrorScope.$current.withValue(scope) { Swift.Result { try body() } }
    if let error = scope.first { throw error }
    return try result.get()
}

/// Takes a status of the C layer; true when all is well.
@discardableResult
func check(_ status: ct_status, _ what: @autoclosure () -> String) -> Bool {
    if status.code == 0 { return true }
    fail(torchError(status, what()))
    return false
}

private func torchError(_ status: ct_status, _ what: String) -> TorchError {
    let text = status.message.map { String(cString: $0) } ?? "unknown failure"
    if let message = status.message { ct_message_free(message) }
    let line = text.split(separator: "\n").first.map(String.init) ?? text
    let remedy = status.code == 2 ? "; take fewer or smaller images at a time" : ""
    return TorchError("\(what): \(line)\(remedy)", isOutOfMemory: status.code == 2)
}

/// Records the error for `withTorchErrors`, or stops the process with it.
func fail(_ error: TorchError) {
    guard let scope = ErrorScope.current else { fatalError(error.message) }
    if scope.first == nil { scope.first = error }
}
