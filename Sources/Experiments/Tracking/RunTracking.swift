import Foundation
import Foundations
import Hub

/// Sends a run's figures to a tracker while it trains, on a thread of its own: a tracker that is down or slow never stops a run.
public final class RunTracking: Sendable {
    private let state = State()

    /// Seconds between two sendings; doubled with each failure in a row up to the second.
    private static let pause = (shortest: 5.0, longest: 60.0)
    /// The longest that a request may take, in seconds.
    private static let requestSeconds = 20.0
    /// The longest that the end of a run is held up, in seconds.
    private static let endSeconds = 10.0

    /// Begins to send.
    /// - Parameters:
    ///   - folder: the run's, whose settings are written already.
    ///   - warn: told in a line of the first failure, and at the end of what is left to send.
    public init(folder: String, address: TrackerAddress, warn: @escaping @Sendable (String) -> Void) {
        let thread = Thread { [state] in
            Self.work(folder, address, state, warn)
            state.end()
        }
        thread.name = "tracking"
        thread.start()
    }

    /// Sends what is left, for a few seconds at most.
    public func finish() { state.finish(by: Date(timeIntervalSinceNow: Self.endSeconds)) }

    private static func work(
        _ folder: String, _ address: TrackerAddress, _ state: State, _ warn: @Sendable (String) -> Void
    ) {
        var failures = 0
        var hasWarned = false
        do {
            let sender = try RunSender(
                folder: folder, address: address, seconds: requestSeconds, poll: state.checkTime)
            while true {
                let isEnding = state.isEnding
                do {
                    _ = try sender.send(isEnding: isEnding)
                    failures = 0
                } catch {
                    failures += 1
                    if !hasWarned, !isEnding { warn("\(error); the run goes on, and what is left is sent later") }
                    hasWarned = true
                }
                guard !isEnding else { break }
                state.wait(min(pause.longest, pause.shortest * pow(2, Double(failures))))
            }
            guard failures > 0 else { return }
            let count = try sender.waiting()
            warn(
                "\(count) values were not sent; send them with: domainfusion track \(shellQuoted(folder)) --to "
                    + shellQuoted("\(address)"))
        } catch {
            warn("\(error)")
        }
    }

    /// What the thread shares with the run.
    private final class State: @unchecked Sendable {  // the variables are guarded by the condition
        private let condition = NSCondition()
        private var deadline: Date?
        private var hasEnded = false

        var isEnding: Bool { condition.withLock { deadline != nil } }

        /// - Throws: an error once no time is left.
        func checkTime() throws {
            guard let deadline = condition.withLock({ deadline }), deadline < Date() else { return }
            throw JSONClient.Failure.noAnswer("the run has ended")
        }

        /// Waits, less long once the run ends.
        func wait(_ seconds: Double) {
            let end = Date(timeIntervalSinceNow: seconds)
            condition.withLock {
                while deadline == nil, condition.wait(until: end) {}
            }
        }

        func end() {
            condition.withLock {
                hasEnded = true
                condition.broadcast()
            }
        }

        func finish(by deadline: Date) {
            condition.withLock {
                self.deadline = deadline
                condition.broadcast()
                while !hasEnded { condition.wait() }
            }
        }
    }
}
