/// How far a run is.
package enum RunState: String, Sendable, CaseIterable {
    /// It has its result.
    case done
    /// A process works on it at this moment.
    case training
    /// It has ended before its end, and goes on with the same command.
    case stopped
    /// It has ended by an error, which its file `failed` tells.
    case failed
}
