/// A file that cannot be read or written as asked, and what to do about it. Its description is one line.
public struct FileFormatError: Error, CustomStringConvertible, Equatable, Sendable {
    /// The file, as it was named by the caller.
    public let path: String
    /// What is wrong with it.
    public let problem: String
    /// What the user can do.
    public let remedy: String

    /// An error about a file; each part is a phrase without a full stop.
    public init(path: String, problem: String, remedy: String) {
        self.path = path
        self.problem = problem
        self.remedy = remedy
    }

    /// The file, what is wrong and the remedy, in one line: `a.pth: damaged; fetch it again`.
    public var description: String { "\(path): \(problem); \(remedy)" }
}
