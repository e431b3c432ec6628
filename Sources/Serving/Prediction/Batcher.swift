import Experiments
import Foundation
import Foundations
import Pixels

/// Threads that own the networks and run each over the images that have come for it.
///
/// A pass takes images of one run that wait, up to a limit, and shares them with a thread that is free. It begins when they
/// are so many, or the first has waited long enough. Who is alone waits for nobody: the pass before had one image, and no
/// other is on its way. All state is guarded by `condition`.
///
/// Two passes at a time, each with half of the processors, do more than one with all of them: the threads of a network wait
/// for one another behind every layer. An image that is alone has all processors.
final class Batcher: @unchecked Sendable {
    /// An image that waits, and who waits for its probabilities.
    private struct Job {
        let image: RGBImage
        let arrival: ContinuousClock.Instant
        let deadline: ContinuousClock.Instant
        let answer: CheckedContinuation<[Double], any Error>
    }

    /// The images of a pass, and how many processors it has.
    private struct Pass {
        let run: Int
        let jobs: [Job]
        let threads: Int
    }

    private let limit: Int
    private let patience: Duration
    private let threads: Int
    private let metrics: PredictionMetrics
    private let condition = NSCondition()
    /// By run.
    private var waiting: [[Job]]
    /// Images that are read or decoded now, and will wait soon.
    private var coming = 0
    /// Images in the pass before.
    private var before = 0
    /// Threads that have networks, and those of them that wait for images.
    private var workers = 0
    private var free = 0
    private var isStopped = false

    /// - Parameters:
    ///   - runs: how many networks there are.
    ///   - limit: the most images in a pass.
    ///   - patience: the longest that an image waits for others.
    ///   - threads: the processors that all passes together have.
    init(runs: Int, limit: Int, patience: Duration, threads: Int, metrics: PredictionMetrics) {
        (self.limit, self.patience, self.threads, self.metrics) = (limit, patience, threads, metrics)
        waiting = Array(repeating: [], count: runs)
    }

    /// Starts a thread.
    /// - Parameter load: makes the thread's own networks, on it.
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

    /// Ends the threads once nobody waits.
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
            condition.broadcast()
        }
    }

    private func work(_ models: [RunPredictor]) {
        var models = models
        change {
            workers += 1
            free += 1
        }
        while let pass = next() {
            let start = ContinuousClock.now
            let rows = Result {
                try models[pass.run].probabilities(pass.jobs.map(\.image), threads: pass.threads)
            }
            metrics.passed(run: pass.run, images: pass.jobs.count, duration: start.duration(to: .now))
            change { free += 1 }
            for (place, job) in pass.jobs.enumerated() { job.answer.resume(with: rows.map { $0[place] }) }
        }
    }

    /// The next pass; nil at the end.
    private func next() -> Pass? {
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
                return pass(of: run, now)
            }
            _ = condition.wait(until: Date(timeIntervalSinceNow: patient.seconds))
        }
    }

    /// Takes images of a run that wait, and leaves others their share.
    private func pass(of run: Int, _ now: ContinuousClock.Instant) -> Pass {
        let jobs = Array(waiting[run].prefix(min(limit, (waiting[run].count + free - 1) / free)))
        waiting[run].removeFirst(jobs.count)
        free -= 1
        before = jobs.count
        for job in jobs { metrics.waited(run: run, duration: job.arrival.duration(to: now)) }
        return Pass(run: run, jobs: jobs, threads: jobs.count == 1 ? threads : max(1, threads / workers))
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
