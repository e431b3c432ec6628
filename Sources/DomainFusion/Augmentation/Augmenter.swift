import DomainGeneralization
import Foundations
import Pixels
import Torch

/// One step of online lightweight augmentation for given images: N candidates each, of which the style least like the
/// image's own and the content most like it are composed. Candidates and composed images go through a store.
public struct Augmenter {
    /// An image to be replaced.
    public struct Request: Sendable {
        /// The image to start from, of the generator's size.
        public let start: RGBImage
        /// The source image that it goes back to, of the same size.
        public let source: RGBImage
        /// Index of the class that the candidates are to show.
        public let label: Int
        /// One prompt for each candidate.
        public let prompts: [String]
        /// One seed for each candidate.
        public let seeds: [UInt64]
        /// Where the composed image's amplitude comes from.
        public let amplitude: Amplitude

        /// A request for one candidate a prompt.
        /// - Precondition: as many prompts as seeds.
        public init(
            start: RGBImage, source: RGBImage, label: Int, prompts: [String], seeds: [UInt64],
            amplitude: Amplitude = .candidate
        ) {
            precondition(prompts.count == seeds.count)
            self.start = start
            self.source = source
            self.label = label
            self.prompts = prompts
            self.seeds = seeds
            self.amplitude = amplitude
        }
    }

    /// What became of an image.
    public struct Outcome: Sendable {
        /// What was asked for.
        public let request: Request
        /// The images that the generator made, one a prompt.
        public let candidates: [RGBImage]
        /// The candidates that the judge recognises: indices into ``candidates``.
        public let kept: [Int]
        /// Nil when no candidate was kept: the image then stays as it was.
        public let composition: Composition?

        /// Whether the content of the source image was chosen.
        public var hasSourceContent: Bool { composition.map { $0.content == nil } ?? false }

        /// The image that takes the place of the one that it started from.
        public var image: RGBImage { composition?.image ?? request.start }
    }

    /// What makes candidates.
    public let generator: any CandidateGenerator
    /// What chooses style and content among them.
    public let composer: Composer
    /// Where candidates and composed images are kept.
    public let store: ContentStore
    /// Images in one call of the generator, all of which it works on together.
    public let batchSize: Int
    /// Drops candidates whose class it gives a probability under the threshold.
    public let judge: (threshold: Double, ClassJudge)?

    /// An augmenter without a judge by default.
    public init(
        generator: any CandidateGenerator, composer: Composer, store: ContentStore, batchSize: Int = 16,
        judge: (threshold: Double, ClassJudge)? = nil
    ) {
        self.generator = generator
        self.composer = composer
        self.store = store
        self.batchSize = min(batchSize, generator.largestBatch)
        self.judge = judge
    }

    /// Generates what is missing, judges the candidates, and composes.
    /// Augments images.
    /// - Parameters:
    ///   - ledger: counts the work that is done.
    ///   - poll: called between batches; what it throws ends the work, and what was done is kept in the store.
    /// - Throws: a one-line error of the generator, the judge or the store.
    public func outcomes(
        _ requests: [Request], ledger: inout Ledger, poll: () throws -> Void = {}
    ) throws -> [Outcome] {
        let candidates = try ledger.time("generation") {
            try self.candidates(requests, ledger: &$0, poll: poll)
        }
        let kept = try recognised(requests, candidates)
        return try ledger.time("composition") { ledger in
            let compositions = try composer.compositions(
                requests, candidates: candidates, kept: kept, batchSize: batchSize, store: store, ledger: &ledger,
                poll: poll)
            return requests.indices.map {
                Outcome(
                    request: requests[$0], candidates: candidates[$0], kept: kept[$0], composition: compositions[$0])
            }
        }
    }

    /// The candidates of each request: those in the store, and the others generated, batches across images.
    private func candidates(
        _ requests: [Request], ledger: inout Ledger, poll: () throws -> Void
    ) throws -> [[RGBImage]] {
        var missing: [(key: StoreKey, request: Int, candidate: Int)] = []
        var found = requests.enumerated().map { index, request in
            let hash = SHA256Sum.of(request.start)
            return zip(request.prompts, request.seeds).enumerated().map { number, asked -> RGBImage? in
                let key = StoreKey(
                    .candidate,
                    [
                        "image": .string(hash), "prompt": .string(asked.0),
                        "seed": .int(generator.drawsNoise ? Int(truncatingIfNeeded: asked.1) : 0),
                        "generator": .string(generator.fingerprint), "batch": .int(batchSize),
                    ])
                if let image = store.image(for: key)?.image { return image }
                missing.append((key, index, number))
                return nil
            }
        }
        for first in stride(from: 0, to: missing.count, by: batchSize) {
            try poll()
            let batch = missing[first..<min(first + batchSize, missing.count)]
            let images = try generate(batch.map { (requests[$0.request], $0.candidate) })
            for (place, image) in zip(batch, images) {
                found[place.request][place.candidate] = try store.put(image, for: place.key).image
            }
            ledger.generatedMade += batch.count
            ledger.unetEvaluations += batchSize * generator.unetEvaluationsPerImage
            ledger.vaePasses += batchSize * generator.vaePassesPerImage
        }
        return found.map { $0.compactMap { $0 } }
    }

    /// Candidates of one batch. It is filled up to its full size, since libtorch rounds differently for other sizes: so
    /// a candidate does not depend on what else was missing in the store.
    private func generate(_ places: [(request: Request, candidate: Int)]) throws -> [RGBImage] {
        let full = (0..<batchSize).map { places[min($0, places.count - 1)] }
        // A failure in libtorch is thrown here, before anything of it is stored.
        return try withTorchErrors {
            let images = try generator.generate(
                .images(full.map(\.request.start)), prompts: full.map { $0.request.prompts[$0.candidate] },
                seeds: full.map { $0.request.seeds[$0.candidate] })
            guard images.isFinite().all().item() != 0 else {
                throw UserError("the diffusion model gave numbers that are not finite; run it in float32")
            }
            return images[0..<places.count].rgbImages()
        }
    }

    private func recognised(_ requests: [Request], _ candidates: [[RGBImage]]) throws -> [[Int]] {
        guard let judge, !requests.isEmpty else { return candidates.map { Array($0.indices) } }
        let labels = zip(requests, candidates).flatMap { request, images in images.map { _ in request.label } }
        var rest = try withTorchErrors { try judge.1(.images(Array(candidates.joined())), labels) }[...]
        return candidates.map { images in
            let own = Array(rest.prefix(images.count))
            rest = rest.dropFirst(images.count)
            return own.indices.filter { own[$0] >= judge.threshold }
        }
    }
}
