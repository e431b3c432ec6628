import Serving
import Synchronization

/// The jobs of the diffusion model: one is worked on at a time, others wait.
final class JobDesk: Sendable {
    /// The most that wait or are worked on.
    private static let mostOpen = 8
    /// The most that are kept, ended ones among them.
    private static let mostKept = 32

    private let thread = WorkThread<DiffusionWork>(mostWaiting: mostOpen)
    private let jobs = Mutex<[CandidateJob]>([])

    /// Loads the model, on the thread that asks it.
    /// - Throws: what `make` throws.
    func start(_ make: @escaping @Sendable () throws -> DiffusionWork) async throws {
        try await thread.start("diffusion", make: make)
    }

    /// Takes a job in.
    /// - Throws: ``WebError`` where too many wait.
    func begin(_ order: CandidateJob.Order) throws -> CandidateJob {
        let id = String(UInt64.random(in: .min ... .max), radix: 36)
        let job = CandidateJob(id: id, order: order)
        try jobs.withLock { jobs in
            guard jobs.count(where: { !$0.progress.phase.isEnd }) < Self.mostOpen else {
                throw WebError.busy(
                    "\(Self.mostOpen) images wait for the diffusion model already; cancel one, or come later")
            }
            jobs.append(job)
            if jobs.count > Self.mostKept, let old = jobs.firstIndex(where: { $0.progress.phase.isEnd }) {
                jobs.remove(at: old)
            }
        }
        Task {
            do {
                try await thread.run { $0.run(job) }
            } catch { job.change { $0.phase = .failed("\(error)") } }
        }
        return job
    }

    /// The job of a name; nil where there is none, or no longer.
    func job(_ id: String) -> CandidateJob? { jobs.withLock { $0.first { $0.id == id } } }

    /// Ends all work.
    func stop() {
        jobs.withLock { $0.forEach { $0.cancel() } }
        thread.stop()
    }
}
