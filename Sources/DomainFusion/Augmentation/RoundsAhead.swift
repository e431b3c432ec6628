import Foundations
import Synchronization
import Torch

/// The rounds after one, each made on a thread while the run trains on the one before it.
///
/// A round depends on the one before it alone, so that its images are those of a run that waits for each.
final class RoundsAhead {
    /// The next round, counted from 1.
    private(set) var next: Int
    private let maker: Maker
    private let sets: Prefetcher<SyntheticSet>

    /// Begins to make the round after `set`.
    /// - Parameter last: the last round that is made.
    init(_ augmentation: OnlineAugmentation, after set: SyntheticSet, last: Int) {
        next = set.round + 1
        let maker = Maker(augmentation, after: set)
        self.maker = maker
        let threads = Machine.threads
        sets = Prefetcher(threads: 1, ahead: 1, from: next, until: last + 1) {
            Machine.threads = threads  // a setting of each thread
            return try maker.set(round: $0)
        }
    }

    /// The set of the round ``next``; waits until it is made.
    /// - Throws: what making it threw.
    func set() throws -> SyntheticSet {
        next += 1
        return try sets.next()
    }

    /// The work that was done since this was last asked.
    func work() -> Ledger { maker.work() }

    /// Ends the work on a round that is not wanted any more, after the batch in the making.
    func stop() {
        maker.stop()
        sets.stop()
    }

    /// Makes rounds in order, on one thread: `augmentation` and `previous` are that thread's alone.
    private final class Maker: @unchecked Sendable {
        private let augmentation: OnlineAugmentation
        private var previous: SyntheticSet
        private let done = Mutex(Ledger())
        private let isStopped = Atomic(false)

        init(_ augmentation: OnlineAugmentation, after set: SyntheticSet) {
            self.augmentation = augmentation
            previous = set
        }

        func set(round: Int) throws -> SyntheticSet {
            var work = Ledger()
            defer { done.withLock { $0.add(work: work) } }
            previous = try augmentation.replaced(previous, round: round, ledger: &work) { _, _ in
                try Interruption.poll()
                guard !isStopped.load(ordering: .relaxed) else { throw CancellationError() }
            }
            return previous
        }

        func work() -> Ledger {
            done.withLock { work in
                defer { work = Ledger() }
                return work
            }
        }

        func stop() { isStopped.store(true, ordering: .relaxed) }
    }
}
