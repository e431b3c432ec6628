import Experiments
import Foundation
import Foundations
import Pixels

/// One thread that owns the networks and runs each over the images that have come for it.
///
/// A pass takes all images of one run that wait, up to a limit. It begins when they are so many, or the first has
/// waited long enough. Who is alone waits for nobody: the pass before had one image, and no other is on its way. All
/// state is guarded by `condition`.
final class Batcher: @unchecked Sendable {
    /// An image that waits, and who waits for its probabilities.
    private struct Job {
        let image: RGBImage
        let arrival: ContinuousClock.Instant
        let deadline: ContinuousClock.Instant
        let answer: CheckedContinuation<[Double], any Error>
    }

    private let limit: Int
    private let patience: Duration
    private let metrics: PredictionMetrics
    private let condition = NSCondition()
    /// By run.
    private var waiting: [[Job]]
    /// Images that are read or decoded now, and will wait soon.
    private var coming = 0
    /// Images in the pass before.
    private var before = 0
    private var isStopped = false

    /// - Parameters:
    ///   - runs: how many networks there are.
    ///   - limit: the most images in a pass.
    ///   - patience: the longest that an image waits for others.
    init(runs: Int, limit: Int, patience: Duration, metrics: PredictionMetrics) {
        (self.limit, self.patience, self.metrics) = (limit, patience, metrics)
        waiting = Array(repeating: [], count: runs)
    }

    /// Starts the thread.
    /// - Parameter load: makes the networks, on the thread.
    /// - Returns: what `describe` says of them, once they are there.
    /// - Throws: what `load` throws.
    func start<Description: Sendable>(
        load: @escaping @Sendable () throws -> [RunPredictor],
        describe: @escaping @Sendable ([RunPredictor]) -> Description
    ) async throws -> Description {
        try await withCheckedThrowingContinuation { loaded in
            let thread = Thread {
                let models: [RunPredictor]
                do { models = try load() } catch { return loaded.resume(throwing: error) }
                loaded.resume(returning: describe(models))
                self.work(models)
            }
            thread.name = "networks"
            // The networks' operators recurse deeper than a thread's usual 512 KiB allow for.
            thread.stackSize = 8 << 20
            thread.start()
        }
    }

    /// Ends the thread once nobody waits.
    func stop() {
        change { isStopped = true }
    }

    /// Says that images are on their way, which those that wait may wait for; of a negative number that they are not
    /// after all.
    func expect(_ count: Int) {
        change { coming += count }
    }

    /// The probabilities of an image that was expected.
    /// - Throws: ``WebError`` where they were not begun by the deadline; what the network throws.
    func probabilities(
        of image: RGBImage, run: Int, deadline: ContinuousClock.Instant
    ) async throws -> [Double] {
        try await withCheckedThrowingContinuation { answer in
            change {
                coming -= 1
                waiting[run].append(Job(image: image, arrival: .now, deadline: deadline, answer: answer))
            }
        }
    }

    private func change(_ body: () -> Void) {
        condition.withLock {
            body()
            condition.signal()
        }
    }

    private func work(_ models: [RunPredictor]) {
        var models = models
        while let (run, jobs) = next() {
            let start = ContinuousClock.now
            let rows = Result { try models[run].probabilities(jobs.map(\.image)) }
            metrics.passed(run: run, images: jobs.count, duration: start.duration(to: .now))
            for (place, job) in jobs.enumerated() { job.answer.resume(with: rows.map { $0[place] }) }
        }
    }

    /// The images of the next pass; nil at the end.
    private func next() -> (run: Int, jobs: [Job])? {
        condition.lock()
        defer { condition.unlock() }
        while true {
            let now = ContinuousClock.now
            refuseLate(now)
            // The run whose first image came before the others'.
            let first = waiting.indices.filter { !waiting[$0].isEmpty }.min {
                waiting[$0][0].arrival < waiting[$1][0].arrival
            }
            guard let run = first else {
                if isStopped { return nil }
                condition.wait()
                continue
            }
            let patient = waiting[run][0].arrival + patience - now
            let isAlone = coming == 0 && before <= 1 && waiting[run].count == 1
            if isAlone || waiting[run].count >= limit || patient <= .zero || isStopped {
                let jobs = Array(waiting[run].prefix(limit))
                waiting[run].removeFirst(jobs.count)
                before = jobs.count
                for job in jobs { metrics.waited(run: run, duration: job.arrival.duration(to: now)) }
                return (run, jobs)
            }
            _ = condition.wait(until: Date(timeIntervalSinceNow: patient.seconds))
        }
    }

    private func refuseLate(_ now: ContinuousClock.Instant) {
        for run in waiting.indices {
            for job in waiting[run] where job.deadline <= now {
                job.answer.resume(throwing: WebError.busy("the network was not free in time; send it again later"))
            }
            waiting[run].removeAll { $0.deadline <= now }
        }
    }
}
