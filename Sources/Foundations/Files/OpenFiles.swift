import CProcess

/// How many files this process may have open at a time.
public enum OpenFiles {
    /// The system's libraries stop the process where they find fewer left.
    public static let needed = 64

    /// Raises the limit as far as the process may.
    /// - Returns: the limit.
    public static func raiseLimit() -> Int { cprocess_raise_open_files() }
}
