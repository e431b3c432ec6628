import Foundation
import Serving

/// A thread that does one piece of work after the other, with a state that never leaves it: networks, which no two threads
/// may use at a time. All else is guarded by `condition`.
final class WorkThread<State>: @unchecked Sendable {
    private let condition = NSCondition()
    private let mostWaiting: Int
    private var waiting: [(inout State) -> Void] = []
    private var isStopped = false

    /// - Parameter mostWaiting: with more pieces of work that wait, others are sent away.
    init(mostWaiting: Int) { self.mostWaiting = mostWaiting }

    /// Starts the thread.
    /// - Parameter make: makes the state, on the thread.
    /// - Throws: what `make` throws.
    func start(_ name: String, make: @escaping @Sendable () throws -> State) async throws {
        try await withCheckedThrowingContinuation { (started: CheckedContinuation<Void, any Error>) in
            let thread = Thread { [self] in
                var state: State
                do { state = try make() } catch { return started.resume(throwing: error) }
                started.resume()
                while let work = next() { work(&state) }
            }
            thread.name = name
            // The networks' operators recurse deeper than a thread's usual 512 KiB allow for.
            thread.stackSize = 8 << 20
            thread.start()
        }
    }

    /// Ends the thread once nothing waits.
    func stop() {
        condition.withLock {
            isStopped = true
            condition.broadcast()
        }
    }

    /// Does work on the thread.
    /// - Throws: ``WebError`` where too much waits already; what the work throws.
    func run<Value: Sendable>(_ work: @escaping @Sendable (inout State) throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { (answer: CheckedContinuation<Value, any Error>) in
            let isTaken = condition.withLock {
                guard !isStopped, waiting.count < mostWaiting else { return false }
                waiting.append { state in answer.resume(with: Result { try work(&state) }) }
                condition.broadcast()
                return true
            }
            if !isTaken {
                answer.resume(throwing: WebError.busy("\(mostWaiting) images wait already; send it again in a moment"))
            }
        }
    }

    private func next() -> ((inout State) -> Void)? {
        condition.withLock {
            while waiting.isEmpty {
                if isStopped { return nil }
                condition.wait()
            }
            return waiting.removeFirst()
        }
    }
}
