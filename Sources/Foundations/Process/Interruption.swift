import CProcess
import Foundation
import Synchronization

/// A signal that asks the process to end, as a flag that long loops look at, so that a run saves its state before it ends.
///
/// These are what people and batch systems send: SIGTERM, SIGINT (Ctrl-C), SIGHUP (the terminal was closed), SIGUSR1 and
/// SIGUSR2 (SLURM's `--signal`, before the time is up), SIGALRM and SIGXCPU. One that the process was started to ignore, as
/// `nohup` does with SIGHUP, stays ignored.
///
/// An algorithm that works long before it changes a parameter (a round of generation) calls ``poll()`` meanwhile; the
/// trainer then takes the step as not begun.
public struct Interruption: Error, CustomStringConvertible, Sendable {
    /// The signal's number.
    public let signal: Int32

    /// The error for a signal of this number.
    public init(signal: Int32) {
        self.signal = signal
    }

    /// The exit status that shells give a process that ended by the signal.
    public var exitStatus: Int32 { 128 + signal }

    /// What happened, for a line to people: `interrupted`, `stopped by SIGUSR1`.
    public var description: String {
        switch signal {
        case SIGINT: "interrupted"
        case SIGTERM: "terminated"
        default: "stopped by \(Self.names[signal] ?? "signal \(signal)")"
        }
    }

    private static let names = [
        SIGHUP: "SIGHUP", SIGUSR1: "SIGUSR1", SIGUSR2: "SIGUSR2", SIGALRM: "SIGALRM", SIGXCPU: "SIGXCPU",
    ]

    private static let received = Atomic<Int32>(0)

    /// From now on the signals set the flag. A second SIGINT ends the process at once; the others may come in pairs, as from
    /// a terminal and from its shell.
    public static func watch() {
        for number in [SIGTERM, SIGINT] + names.keys.sorted() where !cprocess_is_ignored(number) {
            Foundation.signal(number) { number in
                Interruption.received.store(number, ordering: .relaxed)
                if number == SIGINT { Foundation.signal(number, SIG_DFL) }
            }
        }
    }

    /// The signal that has come, if any.
    public static var current: Interruption? {
        let number = received.load(ordering: .relaxed)
        return number == 0 ? nil : Interruption(signal: number)
    }

    /// Ends work that can be taken up again, where a signal asks for it: call it between two parts of the work.
    /// - Throws: ``Interruption`` once a signal has come.
    public static func poll() throws {
        if let current { throw current }
    }
}
