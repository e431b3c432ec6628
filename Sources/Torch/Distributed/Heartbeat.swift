import CTorch
import Foundation
import Foundations
import Synchronization

/// Notices that a process of a group has stopped or was cut off, which its connections alone do not tell.
///
/// Each process counts up in the processes' table. The first one watches all others, and they watch it: when it ends, so do
/// they.
public final class Heartbeat: Sendable {
    private let place: LaunchEnvironment
    private let patience: Double
    private let numbers: SharedNumbers
    private let isOver = Atomic(false)

    /// When each watched process was last seen to live, when the table last answered, and since when it refuses to.
    private struct Seen {
        var processes: [Int: (count: Int, time: ContinuousClock.Instant)]
        var table: ContinuousClock.Instant
        var refusing: ContinuousClock.Instant?
    }
    private let seen: Mutex<Seen>

    /// Begins to beat and to watch.
    /// - Parameters:
    ///   - patience: seconds without a sign of life before `lost` is called, once, on another thread.
    ///   - lost: told what happened, a line; it should end the process.
    /// - Throws: ``TorchError`` when the processes' table cannot be reached.
    public init(_ place: LaunchEnvironment, patience: Double = 40, lost: @escaping @Sendable (String) -> Void) throws {
        self.place = place
        self.patience = patience
        numbers = try SharedNumbers(place, serves: false, patience: patience)
        let now = ContinuousClock.now
        let watched = place.rank == 0 ? Array(1..<place.size) : [0]
        seen = Mutex(Seen(processes: Dictionary(uniqueKeysWithValues: watched.map { ($0, (-1, now)) }), table: now))
        Thread.detachNewThread { [self] in beat() }
        // Apart from the other, whose calls may hang.
        Thread.detachNewThread { [self] in watch(lost) }
    }

    private func beat() {
        while !isOver.load(ordering: .relaxed) {
            do {
                try round()
                seen.withLock { $0.refusing = nil }
            } catch {
                seen.withLock { $0.refusing = $0.refusing ?? .now }
            }
            Thread.sleep(forTimeInterval: min(1, patience / 10))
        }
    }

    private func round() throws {
        try numbers.add(1, to: "beat/\(place.rank)")
        for process in seen.withLock({ Array($0.processes.keys) }) {
            let count = try numbers.add(0, to: "beat/\(process)")
            let hasLeft = try numbers.add(0, to: "left/\(process)") > 0
            seen.withLock { seen in
                if hasLeft { seen.processes[process] = nil }
                if let last = seen.processes[process], last.count != count {
                    seen.processes[process] = (count, .now)
                }
                seen.table = .now
            }
        }
    }

    private func watch(_ lost: (String) -> Void) {
        while !isOver.load(ordering: .relaxed) {
            Thread.sleep(forTimeInterval: min(0.5, patience / 10))
            let limit = ContinuousClock.now - .seconds(patience)
            let line = seen.withLock { seen -> String? in
                if seen.processes.isEmpty { return nil }
                // Its process has ended. The others' own connections have told them by now, where they wait for it.
                if let refusing = seen.refusing, refusing < ContinuousClock.now - .seconds(patience / 8) {
                    return "the first process has ended"
                }
                let silence = "for \(Int(patience)) seconds"
                if seen.table < limit { return "the first process cannot be reached \(silence)" }
                let silent = seen.processes.filter { $0.value.time < limit }.keys.min()
                return silent.map { "process \($0) gives no sign of life \(silence)" }
            }
            guard let line, !isOver.load(ordering: .relaxed) else { continue }
            return lost(line)
        }
    }

    /// Says that this process ends as it should. The first one waits a moment for the others, since it may hold the table.
    public func stop() {
        _ = try? numbers.add(1, to: "left/\(place.rank)")
        if place.rank == 0 {
            let end = ContinuousClock.now + .seconds(patience)
            while seen.withLock({ !$0.processes.isEmpty }), ContinuousClock.now < end {
                Thread.sleep(forTimeInterval: 0.02)
            }
        }
        isOver.store(true, ordering: .relaxed)
    }
}
