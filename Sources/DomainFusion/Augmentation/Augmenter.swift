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
        /// The hashes of the candidates' addresses in the store.
        public let addresses: [String]
        /// The candidates that the judge recognises: indices into ``candidates``.
        public let kept: [Int]
        /// Nil when no candidate was kept: the image then stays as it was.
        public let composition: Composition?

        /// Whether the content of the source image was chosen.
        public var hasSourceContent: Bool { composition.map { $0.content == nil } ?? false }

        /// The image that takes the place of the one that it started from.
        public var image: RGBImage { composition?.image ?? request.start }
    }

    /// What makes candidates, and keeps them.
    public let maker: CandidateMaker
    /// What chooses style and content among them.
    public let composer: Composer
    /// Drops candidates whose class it gives a probability under the threshold.
    public let judge: (threshold: Double, ClassJudge)?

    /// An augmenter without a judge by default.
    public init(
        generator: any ImageGenerator<CandidateOrder>, composer: Composer, store: ContentStore, batchSize: Int = 16,
        judge: (threshold: Double, ClassJudge)? = nil
    ) {
        maker = CandidateMaker(generator: generator, store: store, batchSize: batchSize)
        self.composer = composer
        self.judge = judge
    }

    /// What makes candidates.
    public var generator: any ImageGenerator<CandidateOrder> { maker.generator }

    /// Augments images: generates what is missing, judges the candidates, and composes.
    /// - Parameters:
    ///   - ledger: counts the work that is done.
    ///   - poll: called between batches; what it throws ends the work, and what was done is kept in the store.
    /// - Throws: a one-line error of the generator, the judge or the store.
    public func outcomes(
        _ requests: [Request], ledger: inout Ledger, poll: () throws -> Void = {}
    ) throws -> [Outcome] {
        let orders = requests.flatMap { request in
            zip(request.prompts, request.seeds).map {
                CandidateOrder(image: request.start, prompt: $0, seed: $1)
            }
        }
        let made = try ledger.time("generation") { try maker.images(orders, ledger: &$0, poll: poll) }
        let candidates = Self.divided(made, among: requests)
        let addresses = Self.divided(maker.keys(orders).map(\.hash), among: requests)
        let kept = try recognised(requests, candidates)
        return try ledger.time("composition") { ledger in
            let compositions = try composer.compositions(
                requests, candidates: candidates, kept: kept, batchSize: maker.batchSize, store: maker.store,
                ledger: &ledger, poll: poll)
            return requests.indices.map {
                Outcome(
                    request: requests[$0], candidates: candidates[$0], addresses: addresses[$0], kept: kept[$0],
                    composition: compositions[$0])
            }
        }
    }

    /// What there is one of for each candidate, by request.
    private static func divided<Part>(_ parts: [Part], among requests: [Request]) -> [[Part]] {
        var rest = parts[...]
        return requests.map { request in
            defer { rest = rest.dropFirst(request.prompts.count) }
            return Array(rest.prefix(request.prompts.count))
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
