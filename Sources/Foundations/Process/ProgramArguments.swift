import Foundation

/// The arguments of this program.
public enum ProgramArguments {
    /// All but the program's name, as text in which paths that are not UTF-8 keep their bytes; see ``FilePath``.
    public static var texts: [String] {
        (1..<max(1, Int(CommandLine.argc))).compactMap { index in
            CommandLine.unsafeArgv[index].map { FilePath.text($0) }
        }
    }
}
