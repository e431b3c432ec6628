import Diffusion
import DomainFusion
import DomainGeneralization
import Foundations
import Pixels
import Torch

/// The diffusion model, with the store of its results.
struct DiffusionWork {
    let model: LatentDiffusionModel
    let store: ContentStore

    /// Does a job to its end, and tells it how far it is.
    func run(_ job: CandidateJob) {
        do {
            try job.poll()
            try makeCandidates(job)
            try drawCurves(job)
            job.change { $0.phase = .done }
        } catch is CancellationError {
            job.change { $0.phase = .cancelled }
        } catch {
            job.change { $0.phase = .failed("\(error)") }
        }
    }

    private func makeCandidates(_ job: CandidateJob) throws {
        let settings = job.order.settings.augmentation
        let augmenter = try settings.augmenter(model, store: store)
        let size = augmenter.generator.imageSize
        let source = job.order.image.resized(width: size, height: size)
        let request = settings.request(
            name: SHA256Sum.of(source), start: source, source: source, label: 0, className: job.order.className,
            round: 1)
        var ledger = Ledger()
        job.change { $0.phase = .candidates }
        for (prompt, seed) in zip(request.prompts, request.seeds) {
            try job.poll()
            let made = try augmenter.maker.images(
                [CandidateOrder(image: source, prompt: prompt, seed: seed)], ledger: &ledger, poll: job.poll)
            job.change { $0.candidates += made }
        }
        job.change { $0.phase = .composing }
        // The candidates are in the store now.
        let outcome = try augmenter.outcomes([request], ledger: &ledger, poll: job.poll)
        job.change { $0.outcome = outcome.first }
    }

    private func drawCurves(_ job: CandidateJob) throws {
        let settings = job.order.settings.distillation
        let library = try DistillationLibrary(LatentDistillation(FrozenDenoiser(model), settings), store: store)
        var ledger = Ledger()
        job.change { $0.phase = .curve }
        for name in [job.order.className, job.order.otherClass].compactMap({ $0 }) {
            try job.poll()
            let curve = try library.curve(
                job.order.image, prompt: Caption.prompt(settings.prompt, class: name), ledger: &ledger)
            let points = zip(ChebyshevGrid(settings.nodes).nodes, curve.values).map { (x: $0, y: Double($1)) }
            job.change { $0.curves.append(CandidateJob.Curve(label: name, points: points)) }
        }
    }
}
