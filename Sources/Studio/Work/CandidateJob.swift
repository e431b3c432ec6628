import DomainFusion
import Foundations
import Pixels
import Serving
import Synchronization

/// Work of the diffusion model for one image: its candidates one after the other, the composed image, its LD curve.
final class CandidateJob: Sendable {
    /// What is asked for.
    struct Order: Sendable {
        /// The path of the run whose settings are taken.
        let run: String
        let image: RGBImage
        let className: String
        /// Another class, for comparison; nil where there is none.
        let otherClass: String?
        let settings: CandidateSettings
    }

    /// How far it is.
    enum Phase: Sendable, Equatable {
        case waiting, candidates, composing, curve, done, cancelled
        case failed(String)

        /// Whether nothing more happens.
        var isEnd: Bool {
            switch self {
            case .waiting, .candidates, .composing, .curve: false
            case .done, .cancelled, .failed: true
            }
        }
    }

    /// A line of the plot.
    struct Curve: Sendable {
        let label: String
        let points: [(x: Double, y: Double)]
    }

    /// What there is to be seen.
    struct Progress: Sendable {
        var phase = Phase.waiting
        var candidates: [RGBImage] = []
        var outcome: Augmenter.Outcome?
        var curves: [Curve] = []
        /// Rises with every change.
        fileprivate(set) var version = 0
    }

    let id: String
    let order: Order
    private let state = Mutex(Progress())
    private let isCancelled = Atomic(false)

    init(id: String, order: Order) { (self.id, self.order) = (id, order) }

    var address: String { "/jobs/\(id)" }
    var progress: Progress { state.withLock { $0 } }

    func cancel() { isCancelled.store(true, ordering: .relaxed) }

    func change(_ body: (inout Progress) -> Void) {
        state.withLock {
            body(&$0)
            $0.version += 1
        }
    }

    /// - Throws: `CancellationError` once somebody has cancelled it, `Interruption` once the program is to end.
    func poll() throws {
        if isCancelled.load(ordering: .relaxed) { throw CancellationError() }
        try Interruption.poll()
    }
}

/// The news of a job's page.
final class JobNews: NewsSource {
    private let job: CandidateJob
    private let seen = Atomic(-1)

    init(_ job: CandidateJob) { self.job = job }

    func next() async -> (parts: [String: String], isLast: Bool) {
        let progress = job.progress
        guard progress.version != seen.exchange(progress.version, ordering: .relaxed) else { return ([:], false) }
        return (["job": JobPage.part(job, progress).map(\.html).joined()], progress.phase.isEnd)
    }
}
