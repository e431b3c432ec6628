/// A file that cannot be read or written as asked, and what to do about it. Its description is one line.
public struct FileFormatError: Error, CustomStringConvertible, Equatable, Sendable {
    /// The file, as it was named by the caller.
    public let path: String
    /// What is wrong with it.
    public let problem: String
    /// What the user can do.
    public let remedy: String

    public init(path: String, problem: String, remedy: String) {
        self.path = path
        self.problem = problem
        self.remedy = remedy
    }

    public var description: String { "\(path): \(problem); \(remedy)" }
}
