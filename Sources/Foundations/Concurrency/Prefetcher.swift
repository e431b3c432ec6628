import Foundation

/// Makes numbered batches on threads ahead of their use and hands them out in order.
///
/// Batch `k` must depend on `k` alone; then what is handed out does not depend on the number of threads or on their
/// timing, and a run resumes by starting at the batch where it stopped.
///
/// ```swift
/// let batches = Prefetcher(threads: 4, ahead: 8, from: step) { step in try makeBatch(step) }
/// while training { try update(batches.next()) }
/// ```
public final class Prefetcher<Batch: Sendable>: Sendable {
    private let queue: BatchQueue<Batch>

    /// Starts the threads.
    ///
    /// - Parameters:
    ///   - threads: how many batches are made at a time; at least 1.
    ///   - ahead: the most batches that are made and not handed out, at least 1.
    ///   - start: the first batch.
    ///   - end: the batch at which to stop making.
    ///   - make: makes the batch of a number. It runs on the threads, for several numbers at a time.
    public init(
        threads: Int, ahead: Int, from start: Int = 0, until end: Int = .max,
        make: @escaping @Sendable (Int) throws -> Batch
    ) {
        precondition(threads > 0 && ahead > 0, "prefetching needs at least one thread and one batch ahead")
        let queue = BatchQueue(start: start, end: end, ahead: ahead, workers: threads, make: make)
        self.queue = queue
        for number in 0..<threads {
            // The thread holds the queue, not the prefetcher, which so can end it.
            let thread = Thread { queue.work() }
            thread.name = "prefetch \(number)"
            thread.start()
        }
    }

    /// The next batch in order; waits until it is made.
    ///
    /// - Throws: what `make` threw for this batch. The next call goes on with the batch after it.
    /// - Precondition: the batch is before `end`, and ``stop()`` was not called.
    public func next() throws -> Batch {
        try queue.next()
    }

    /// Ends the threads and waits for batches in the making. Called when the prefetcher is released.
    public func stop() { queue.stop() }

    deinit { queue.stop() }
}

/// What the consumer and the threads of a ``Prefetcher`` share. All variables are guarded by `condition`.
private final class BatchQueue<Batch: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    private let make: @Sendable (Int) throws -> Batch
    private let ahead: Int
    private let end: Int
    /// The first batch that no thread has taken up.
    private var unmade: Int
    /// The next batch to hand out.
    private var wanted: Int
    private var made: [Int: Result<Batch, any Error>] = [:]
    private var workers: Int
    private var isStopped = false

    init(start: Int, end: Int, ahead: Int, workers: Int, make: @escaping @Sendable (Int) throws -> Batch) {
        (unmade, wanted) = (start, start)
        (self.end, self.ahead, self.workers, self.make) = (end, ahead, workers, make)
    }

    /// Makes batches until stopped or done; the body of a thread.
    func work() {
        condition.lock()
        while true {
            while !isStopped, unmade < end, unmade - wanted >= ahead { condition.wait() }
            guard !isStopped, unmade < end else { break }
            let index = unmade
            unmade += 1
            condition.unlock()
            let result = Result { try make(index) }
            condition.lock()
            made[index] = result
            condition.broadcast()
        }
        workers -= 1
        condition.broadcast()
        condition.unlock()
    }

    func next() throws -> Batch {
        condition.lock()
        precondition(wanted < end, "there is no batch \(wanted): the last is \(end - 1)")
        while made[wanted] == nil {
            precondition(!isStopped, "the prefetcher is stopped")
            condition.wait()
        }
        let result = made.removeValue(forKey: wanted)
        wanted += 1
        condition.broadcast()
        condition.unlock()
        guard let result else { preconditionFailure("two threads took batches from one prefetcher") }
        return try result.get()
    }

    func stop() {
        condition.lock()
        isStopped = true
        condition.broadcast()
        while workers > 0 { condition.wait() }
        made.removeAll()
        condition.unlock()
    }
}
