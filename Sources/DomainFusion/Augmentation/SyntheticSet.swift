import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Torch

/// The synthetic images that a run trains on beside its source images.
public struct SyntheticSet: Sendable {
    /// Where an image comes from: one line of `manifest.jsonl`.
    public struct Record: Codable, Sendable, Equatable {
        /// The image's file in the set's folder.
        public let path: String
        /// SHA-256 of its size and pixels.
        public let sha256: String
        /// The source image's path in the data set.
        public let source: String
        /// The image's class, an index into the data set's classes.
        public let label: Int
        /// The class's name, as prompts have it.
        public let className: String
        /// Index of the source image's domain.
        public let environment: Int
        /// The round that the image was made in, counted from 1.
        public let round: Int
        /// The prompt of each candidate.
        public let prompts: [String]
        /// The seed of each candidate.
        public let seeds: [UInt64]
        /// The hash of each candidate's address in the store; nil in sets of version 0.2.0.
        public let candidates: [String]?
        /// Share of the noise that the candidates started from.
        public let strength: Double
        /// The candidate whose style was taken; nil for no candidate's.
        public let style: Int?
        /// The source image whose amplitude was taken in the place of a candidate's.
        public let styleSource: String?
        /// The candidate whose content was taken; −1 for the source image's; nil when the image stayed as it was.
        public let content: Int?
        /// How alike each candidate's style and content are to those of the image it replaced; nil for dropped ones.
        public let styleSimilarities: [Double?]?
        /// How alike each candidate's content is to that of the image it replaced; nil for dropped ones.
        public let contentSimilarities: [Double?]?
        /// What the set depends on: ``OnlineAugmentation/recipe``.
        public let recipe: String

        private enum CodingKeys: String, CodingKey {
            case path, sha256, source, label, environment, round, prompts, seeds, candidates, strength, style, content,
                recipe
            case className = "class"
            case styleSource = "style_source"
            case styleSimilarities = "style_similarities"
            case contentSimilarities = "content_similarities"
        }
    }

    /// The round, counted from 1.
    public let round: Int
    /// Where each image comes from.
    public let records: [Record]
    /// The images of the records, in order.
    public let images: [RGBImage]

    /// Share of the images whose content is the source image's, 0…1.
    public var sourceContentShare: Double { share { $0.content == -1 } }

    /// Share of the images that stayed as they were, since no candidate could be chosen, 0…1.
    public var unchangedShare: Double { share { $0.content == nil } }

    private func share(_ holds: (Record) -> Bool) -> Double {
        Double(records.count(where: holds)) / Double(max(1, count))
    }

    /// Number of images.
    public var count: Int { images.count }

    init(round: Int, records: [Record], images: [RGBImage]) {
        self.round = round
        self.records = records
        self.images = images
    }

    /// The synthetic minibatch of a step, drawn with replacement: a function of the seed and the step.
    /// - Parameters:
    ///   - size: how many images.
    ///   - part: which of them are given.
    ///   - pipeline: the run's training transforms and normalisation.
    ///   - imageSize: the side that the pipeline gives, in pixels.
    /// - Returns: images float32 [N, 3, imageSize, imageSize] and class indices int64 [N], on the CPU, and the places of both
    ///   in ``images`` and ``records``; N is size, of several parts their share of it.
    public func minibatch(
        step: Int, size: Int, part: StepPart = .whole, seed: Int, pipeline: ImagePipeline, imageSize: Int
    ) -> (images: Tensor, labels: Tensor, places: [Int]) {
        let seed = UInt64(bitPattern: Int64(seedHash(.int(seed), "synthetic")))
        var generator = SeededGenerator(seed: seed, domain: 0, step: step)
        let rows = part.share(of: size)
        let items = Array((0..<size).map { _ in generator.below(count) }[rows])
        let tensor = pipeline.tensor(items.map { images[$0] }, size: imageSize) {
            SeededGenerator(seed: seed, domain: 0, step: step, index: rows.lowerBound + $0 + 1)
        }
        return (tensor, Tensor(items.map { records[$0].label }), items)
    }
}

extension Augmenter.Outcome {
    /// The name of the source image whose amplitude was taken.
    fileprivate var styleSource: String? {
        guard composition != nil, case .source(let name, _) = request.amplitude else { return nil }
        return name
    }
}

extension SyntheticSet.Record {
    init(
        _ outcome: Augmenter.Outcome, source: AugmentationSource, number: Int, round: Int, strength: Double,
        recipe: String
    ) {
        // An image that was generated before training has a whole path for its name.
        let name = FilePath.withoutExtension(source.name).drop { $0 == "/" }
        self.init(
            path: "\(name)-r\(round)-\(number).png",
            sha256: SHA256Sum.of(outcome.image), source: source.name, label: source.label,
            className: source.className, environment: source.environment, round: round,
            prompts: outcome.request.prompts, seeds: outcome.request.seeds, candidates: outcome.addresses,
            strength: strength,
            style: outcome.composition?.style, styleSource: outcome.styleSource,
            content: outcome.composition.map { $0.content ?? -1 },
            styleSimilarities: outcome.composition?.styleSimilarities,
            contentSimilarities: outcome.composition?.contentSimilarities, recipe: recipe)
    }
}
