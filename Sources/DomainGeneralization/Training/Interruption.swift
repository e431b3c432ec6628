import Foundation
import Synchronization

/// SIGTERM and SIGINT as a flag that long loops look at, so that a run saves its state before it ends.
///
/// An algorithm that works long before it changes a parameter (a round of generation) calls ``poll()`` meanwhile; the
/// trainer then takes the step as not begun.
public struct Interruption: Error, CustomStringConvertible, Sendable {
    /// The signal's number.
    public let signal: Int32

    /// The exit status that shells give a process that ended by the signal.
    public var exitStatus: Int32 { 128 + signal }

    public var description: String { signal == SIGINT ? "interrupted" : "terminated" }

    private static let received = Atomic<Int32>(0)

    /// From now on the two signals set the flag. A second one ends the process at once.
    public static func watch() {
        for number in [SIGTERM, SIGINT] {
            signalHandler(number) { number in
                Interruption.received.store(number, ordering: .relaxed)
                Foundation.signal(number, SIG_DFL)
            }
        }
    }

    private static func signalHandler(_ number: Int32, _ handler: @escaping @convention(c) (Int32) -> Void) {
        Foundation.signal(number, handler)
    }

    /// The signal that has come, if any.
    public static var current: Interruption? {
        let number = received.load(ordering: .relaxed)
        return number == 0 ? nil : Interruption(signal: number)
    }

    /// - Throws: ``Interruption`` once a signal has come.
    public static func poll() throws {
        if let current { throw current }
    }
}
