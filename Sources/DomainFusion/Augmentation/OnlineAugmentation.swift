import Diffusion
import DomainGeneralization
import Foundations
import Pixels
import Torch

/// Online lightweight augmentation: rounds in which every image of a synthetic set is replaced by one composed of
/// candidates that a frozen diffusion model makes of it.
///
/// What a round gives is a function of the settings, the models and the source images: a run that is resumed, or finds
/// its candidates in the store, comes to the same set.
public final class OnlineAugmentation {
    /// The settings of all rounds.
    public let settings: AugmentationSettings
    /// The images that rounds start from.
    public let sources: [AugmentationSource]
    /// What is done with each of them in a round.
    public let augmenter: Augmenter
    /// A hash of what the sets depend on beside the source images' pixels: settings, models, judge, names.
    public let recipe: String
    /// The processes that make a round together, each some batches of it; nil for one alone.
    private let group: ProcessGroup?

    /// Augmentation of source images by a generator.
    /// - Parameters:
    ///   - sources: the images to draw from, at least one.
    ///   - generator: the diffusion model with the settings' strength, guidance and steps.
    ///   - composer: the settings' way of composing.
    ///   - judge: a classifier trained on the sources; asked when the settings have a threshold.
    ///   - group: the processes that make a round together; all of them ask for the same rounds.
    public init(
        _ settings: AugmentationSettings, sources: [AugmentationSource], generator: any ImageGenerator<CandidateOrder>,
        composer: Composer, store: ContentStore, judge: CandidateJudge? = nil, group: ProcessGroup? = nil
    ) throws {
        try settings.validate(path: "augmentation")
        guard !sources.isEmpty else { throw UserError("there is no source image to augment; check the data set") }
        guard settings.judgeThreshold == 0 || judge != nil else {
            throw UserError(
                "augmentation.judgeThreshold: there is no judge to ask; name a finished run that holds out the same "
                    + "domains (--ola-judge RUN), or set it to 0")
        }
        self.settings = settings
        self.sources = sources
        self.group = group
        augmenter = settings.augmenter(generator, composer: composer, store: store, judge: judge?.probabilities)
        recipe = SHA256Sum.of(
            JSONValue.object(
                [
                    "settings": try settings.identity, "generator": .string(generator.fingerprint),
                    "space": composer.space.fingerprint, "judge": .string(judge?.fingerprint ?? ""),
                    "sources": .array(sources.map { .string($0.name) }),
                ].merging(composer.particulars) { $1 }
            ).text)
    }

    /// The round, counted from 1, whose set a step trains on.
    public func round(step: Int, stepsPerEpoch: Double) -> Int {
        1 + Int(Double(step) / (settings.everyEpochs * stepsPerEpoch))
    }

    /// The set of a round: the one in the folder, where it is that; otherwise made from the last one that is there, and
    /// left in the folder in its place.
    /// - Parameters:
    ///   - folder: the run's `synthetic` folder.
    ///   - ledger: counts the use of the rounds and the work that is done.
    ///   - poll: called between batches with the images done and to be done in a round; what it throws ends the work.
    /// - Throws: a one-line error of the generator, the judge, the store or the folder.
    public func set(
        round: Int, folder: String, ledger: inout Ledger, poll: (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
    ) throws -> SyntheticSet {
        var current = try stored(in: folder).flatMap { $0.round <= round ? $0 : nil }
        let made = current?.round ?? 0
        // A round that starts from the source images needs none before it.
        let first = settings.start == .raw && made < round ? round : made + 1
        for number in first..<(round + 1) {
            let set = try replaced(current, round: number, ledger: &ledger, poll: poll)
            try take(set, folder: folder, ledger: &ledger)
            current = set
        }
        guard let current else { preconditionFailure("rounds count from 1, not \(round)") }
        count(current, in: &ledger)
        return current
    }

    /// Of several processes the first one's folder counts.
    private func stored(in folder: String) throws -> SyntheticSet? {
        guard let group else { return SyntheticSet(folder: folder, recipe: recipe) }
        let own = group.isFirst ? SyntheticSet(folder: folder, recipe: recipe) : nil
        return try .ofFirst(own, side: augmenter.generator.imageSize, in: group)
    }

    /// Leaves a set in the folder, in the place of the one before, and counts its use.
    func take(_ set: SyntheticSet, folder: String, ledger: inout Ledger) throws {
        if group?.isFirst ?? true { try set.write(to: folder) }
        count(set, in: &ledger)
    }

    /// What the diffusion model and the composition make of some images of the first round, spread over domains and
    /// classes.
    public func examples(_ count: Int, ledger: inout Ledger) throws -> [Augmenter.Outcome] {
        try augmenter.outcomes(try exampleSources(count).map { try request($0, start: nil, round: 1) }, ledger: &ledger)
    }

    /// A picture of ``examples(_:ledger:)``: source, candidates, chosen style and content, composed.
    public func gallery(_ count: Int, ledger: inout Ledger) throws -> ContactSheet {
        let names = exampleSources(count).map {
            sources[$0].name.split(separator: "/").dropLast().joined(separator: " ")
        }
        return CandidateGallery.sheet(
            try examples(count, ledger: &ledger), names: names,
            title: "Online augmentation: \(settings.candidates) candidates, style and content, composed")
    }

    private func exampleSources(_ count: Int) -> [Int] {
        let drawn = sources.drawn(budget: settings.budget, seed: settings.seed, draw: draw(1))
        let count = min(count, drawn.count)
        return (0..<count).map { drawn[(2 * $0 + 1) * drawn.count / (2 * count)] }
    }

    private func count(_ set: SyntheticSet, in ledger: inout Ledger) {
        ledger.use(
            round: set.round, generated: set.count * settings.candidates,
            composed: set.records.count { $0.content != nil })
    }

    private func draw(_ round: Int) -> Int { settings.redraw ? round : 0 }

    /// The set of a round, made from the one before it.
    func replaced(
        _ previous: SyntheticSet?, round: Int, ledger: inout Ledger, poll: (_ done: Int, _ total: Int) throws -> Void
    ) throws -> SyntheticSet {
        let drawn = sources.drawn(budget: settings.budget, seed: settings.seed, draw: draw(round))
        var starts: [String: RGBImage] = [:]
        if settings.start == .previous, let previous {
            for (record, image) in zip(previous.records, previous.images) { starts[record.source] = image }
        }
        var members: [SyntheticSet.Member] = []
        for (batch, first) in stride(from: 0, to: drawn.count, by: settings.batchSize).enumerated() {
            // The same batches whoever makes them: an image depends on its neighbours.
            if let group, batch % group.size != group.rank { continue }
            let part = first..<min(first + settings.batchSize, drawn.count)
            let requests = try part.map { number in
                let index = drawn[number]
                return try request(index, start: starts[sources[index].name], round: round)
            }
            let outcomes = try augmenter.outcomes(requests, ledger: &ledger) { try poll(first, drawn.count) }
            for (number, outcome) in zip(part, outcomes) {
                let record = SyntheticSet.Record(
                    outcome, source: sources[drawn[number]], number: number, round: round,
                    strength: settings.strength, recipe: recipe)
                members.append(SyntheticSet.Member(number: number, record: record, image: outcome.image))
            }
        }
        try poll(drawn.count, drawn.count)
        guard let group else {
            return SyntheticSet(round: round, records: members.map(\.record), images: members.map(\.image))
        }
        return try SyntheticSet(
            round: round, members, count: drawn.count, side: augmenter.generator.imageSize, over: group)
    }

    /// For each domain the sources of the others.
    private lazy var others = Dictionary(
        uniqueKeysWithValues: Set(sources.map(\.environment)).map { own in
            (own, sources.filter { $0.environment != own })
        })

    /// - Parameter start: the image to start from; nil for the source image.
    private func request(_ index: Int, start: RGBImage?, round: Int) throws -> Augmenter.Request {
        let source = sources[index]
        let size = augmenter.generator.imageSize
        func image(_ source: AugmentationSource) throws -> RGBImage {
            try source.image().resized(width: size, height: size)
        }
        let own = try image(source)
        let others = others[source.environment] ?? []
        let amplitude = try settings.amplitude(image: source.name, round: round, others: others.count) {
            (others[$0].name, try image(others[$0]))
        }
        return settings.request(
            name: source.name, start: start ?? own, source: own, label: source.label, className: source.className,
            round: round, amplitude: amplitude)
    }
}

extension AugmentationSettings {
    /// What candidates are asked for in a round.
    ///
    /// Where there are more prompts than candidates, images and rounds begin at different ones.
    /// - Parameter name: what the source image is known by, for its seeds.
    public func request(
        name: String, start: RGBImage, source: RGBImage, label: Int, className: String, round: Int,
        amplitude: Augmenter.Amplitude = .candidate
    ) -> Augmenter.Request {
        let seeds = (0..<candidates).map { candidateSeed(image: name, round: round, candidate: $0) }
        let first = seeds.first.map { Int($0 % UInt64(prompts.count)) } ?? 0
        return Augmenter.Request(
            start: start, source: source, label: label,
            prompts: seeds.indices.map {
                Caption.prompt(prompts[(first + $0) % prompts.count], class: className)
            }, seeds: seeds, amplitude: amplitude)
    }

    /// Where the amplitude of an image composed in a round comes from.
    /// - Parameters:
    ///   - name: what the source image is known by.
    ///   - others: the number of images of other domains.
    ///   - other: one of them with its name, of the generator's size.
    /// - Throws: `UserError` where another image is to be taken and there is none; what `other` throws.
    public func amplitude(
        image name: String, round: Int, others: Int, _ other: (Int) throws -> (name: String, image: RGBImage)
    ) throws -> Augmenter.Amplitude {
        let seed = drawn("\(seed)/\(round)/amplitude/\(name)")
        switch amplitudes {
        case .candidates: return .candidate
        case .noise: return .noise(seed: seed)
        case .sources:
            guard others > 0 else {
                throw UserError(
                    "amplitudes: there is no other image to take the amplitude of; give some of another domain, or choose "
                        + "candidates or noise")
            }
            let (name, image) = try other(Int(seed % UInt64(others)))
            return .source(name: name, image: image)
        }
    }

    /// The seed of a candidate's noise.
    func candidateSeed(image: String, round: Int, candidate: Int) -> UInt64 {
        drawn("\(seed)/\(round)/\(candidate)/\(image)")
    }

    /// A number that a text decides: below 2⁵², so that every JSON reader keeps it.
    private func drawn(_ text: String) -> UInt64 { UInt64(SHA256Sum.of(text).prefix(13), radix: 16) ?? 0 }

    /// Makes candidates and composes them as these settings say.
    /// - Parameter judge: asked when there is a threshold.
    func augmenter(
        _ generator: any ImageGenerator<CandidateOrder>, composer: Composer, store: ContentStore, judge: ClassJudge?
    ) -> Augmenter {
        Augmenter(
            generator: generator, composer: composer, store: store, batchSize: batchSize,
            judge: judge.flatMap { judgeThreshold > 0 ? (judgeThreshold, $0) : nil }
        )
    }
}
