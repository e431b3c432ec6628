import CProcess
import Foundation

/// What a program says beside its result, and whether its result could be written.
///
/// A run is worth more than its log: text for standard error that cannot be written (a full disk, a terminal that was
/// closed, a reader that is gone) is lost without a word. A result on standard output is not: ``finishOutput()`` tells.
public enum Terminal {
    /// Prepares a program's three standard files, before anything else is opened.
    ///
    /// One that is closed (`2>&-`) would be the number of the next file that is opened, and text for the terminal would go
    /// into that. Writing to a pipe without a reader, or past a limit on file sizes, is an error, not the end of the process.
    public static func prepare() {
        for number in STDIN_FILENO...STDERR_FILENO where fcntl(number, F_GETFD) < 0 {
            // Takes the lowest number that is free. Opened so that its use fails, as that of a closed file does.
            _ = open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
        // A write that fails is told of, and ends the process in order.
        for number in [SIGPIPE, SIGXFSZ] { signal(number, SIG_IGN) }
    }

    /// Whether a file is a terminal on which a line can be drawn again and again: a pipe, a log file and a terminal without such
    /// (`TERM=dumb`) get plain lines, and so does who asks for them (`NO_COLOR`).
    public static func isInteractive(
        _ descriptor: Int32 = STDERR_FILENO, environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> Bool {
        isatty(descriptor) != 0 && environment["TERM"] != "dumb" && (environment["NO_COLOR"] ?? "").isEmpty
    }

    /// Writes a line to standard error; see ``plainText(_:keepsLines:)``.
    public static func printError(_ line: String) { writeError(plainText(line) + "\n") }

    /// Writes text to standard error as it is.
    public static func writeError(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while let start = rest.baseAddress, rest.count > 0 {
                let written = write(STDERR_FILENO, start, rest.count)
                if written < 0, errno == EINTR { continue }
                guard written > 0 else { return }
                rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            }
        }
    }

    /// Prints a line to standard output at once, into a pipe or a log file, too.
    public static func printLine(_ line: String) {
        print(plainText(line))
        _ = cprocess_flush_output()
    }

    /// Why what was printed to standard output did not all arrive; nil when it did.
    public static func finishOutput() -> OutputFailure? {
        let code = cprocess_flush_output()
        return code == 0 ? nil : OutputFailure(code: code)
    }

    /// Standard output could not be written.
    public struct OutputFailure: Error, CustomStringConvertible, Sendable {
        /// The system's number of the reason; -1 where an earlier attempt failed.
        let code: Int32

        /// Whether nobody reads it any more, as in `domainfusion info | head -1`.
        public var isClosedPipe: Bool { code == EPIPE }

        /// What was not written, why, and the remedy, in one line.
        public var description: String {
            let reason = code < 0 ? "" : " (\(String(cString: strerror(code))))"
            return "standard output: cannot be written\(reason); the result is not complete, print it to another place"
        }
    }
}
