import DomainGeneralization
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing
import Torch

@testable import DomainFusion

@Suite struct AugmenterTests {
    private func request(_ number: Int, seeds: [UInt64] = [1, 2, 3, 4, 5]) -> Augmenter.Request {
        let image = picture(domain: 0, label: 1, number: number).resized(width: 32, height: 32)
        return Augmenter.Request(
            start: image, source: image, label: 1,
            prompts: seeds.map { _ in "an emoji of an apple" }, seeds: seeds)
    }

    private func augmenter(
        _ store: String, _ generator: Restyler = Restyler(), source: Bool = false, batchSize: Int = 4,
        judge: (threshold: Double, ClassJudge)? = nil
    ) -> Augmenter {
        Augmenter(
            generator: generator, composer: Composer(FourierSpace(), includesSource: source),
            store: ContentStore(store), batchSize: batchSize, judge: judge)
    }

    @Test func choosesTheLeastSimilarStyleAndTheMostSimilarContent() throws {
        try withTemporaryFolder { folder in
            var ledger = Ledger()
            let outcome = try #require(try augmenter(folder).outcomes([request(0)], ledger: &ledger).first)
            let composition = try #require(outcome.composition)
            let styles = composition.styleSimilarities.compactMap { $0 }
            let contents = composition.contentSimilarities.compactMap { $0 }
            let chosen = try #require(composition.style)
            #expect(styles.count == 5 && styles.min() == styles[chosen])
            #expect(contents.max() == contents[try #require(composition.content)])

            // The image is the one's amplitude with the other's phase.
            func tensor(_ image: RGBImage) -> Tensor {
                Tensor(Normalization.none.planes(image), shape: [1, 3, 32, 32])
            }
            let space = FourierSpace()
            let style = space.decompose(tensor(outcome.candidates[chosen])).style
            let content = space.decompose(tensor(outcome.candidates[composition.content ?? 0])).content
            let error = (space.compose(style: style, content: content) - tensor(outcome.image)).abs().max().item()
            #expect(error <= 0.5 / 255 + 1e-6)
        }
    }

    @Test func theSourceCountsAmongTheContents() throws {
        try withTemporaryFolder { folder in
            var ledger = Ledger()
            let outcome = try augmenter(folder, source: true).outcomes([request(0)], ledger: &ledger)[0]
            let composition = try #require(outcome.composition)
            // The image is its own source here: nothing is more like it.
            #expect(composition.content == nil)
            #expect(abs((composition.sourceSimilarity ?? 0) - 1) < 1e-6)
        }
    }

    @Test func theAmplitudeCanBeAnotherImages() throws {
        try withTemporaryFolder { folder in
            func tensor(_ image: RGBImage) -> Tensor {
                Tensor(Normalization.none.planes(image), shape: [1, 3, 32, 32])
            }
            let other = picture(domain: 1, label: 2, number: 4).resized(width: 32, height: 32)
            func outcome(_ amplitude: Augmenter.Amplitude) throws -> Augmenter.Outcome {
                let plain = request(0)
                let request = Augmenter.Request(
                    start: plain.start, source: plain.source, label: 1, prompts: plain.prompts, seeds: plain.seeds,
                    amplitude: amplitude)
                var ledger = Ledger()
                return try augmenter(folder, source: true).outcomes([request], ledger: &ledger)[0]
            }
            let made = try outcome(.source(name: "other", image: other))
            let (space, own) = (FourierSpace(), tensor(request(0).start))
            func error(_ outcome: Augmenter.Outcome, _ amplitudes: Tensor) -> Double {
                let wanted = space.compose(style: amplitudes, content: space.decompose(own).content)
                return (wanted - tensor(outcome.image)).abs().max().item()
            }
            #expect(error(made, space.decompose(tensor(other)).style) <= 0.5 / 255 + 1e-6)
            // The rest is as with a candidate's amplitude: a control changes nothing else.
            let plain = try outcome(.candidate)
            #expect(made.candidates == plain.candidates && made.image != plain.image)
            #expect(made.composition?.contentSimilarities == plain.composition?.contentSimilarities)
            #expect(made.composition?.style == nil && plain.composition?.style != nil)

            let noise = try outcome(.noise(seed: 3))
            #expect(error(noise, space.decompose(SpectralNoise.like(own, seed: 3)).style) <= 0.5 / 255 + 1e-5)
            #expect(try outcome(.noise(seed: 4)).image != noise.image)
            let rows = CandidateGallery.sheet([made, noise], names: ["a", "b"]).rows
            #expect(rows.map { $0[6].caption } == ["another source", "noise"])
        }
    }

    @Test func oneCandidateAsItIs() throws {
        try withTemporaryFolder { folder in
            func outcome(_ composer: Composer, judge: (threshold: Double, ClassJudge)? = nil) throws
                -> Augmenter.Outcome
            {
                var ledger = Ledger()
                return try Augmenter(
                    generator: Restyler(), composer: composer, store: ContentStore(folder), batchSize: 4, judge: judge
                ).outcomes([request(0)], ledger: &ledger)[0]
            }
            let any = try outcome(Composer(FourierSpace(), method: .candidate, contents: EdgeContent()))
            let composition = try #require(any.composition)
            let style = try #require(composition.style)
            #expect(composition.content == style && any.image == any.candidates[style])
            let contents = composition.contentSimilarities.compactMap { $0 }
            #expect(contents.count == 5)

            // A threshold just above the chosen one's content, unless it has the most similar: then another is chosen.
            let threshold = (contents[style] + 1e-6).nextUp
            let rest = contents.indices.filter { contents[$0] >= threshold }
            try #require(!rest.isEmpty)
            let near = Composer(
                FourierSpace(), method: .candidate, contents: EdgeContent(), contentThreshold: threshold)
            let other = try outcome(near)
            let wanted = rest.min {
                (composition.styleSimilarities[$0] ?? 0) < (composition.styleSimilarities[$1] ?? 0)
            }
            #expect(other.composition?.style == wanted && other.image == other.candidates[wanted ?? 0])
            #expect(other.image != any.image)

            // What the judge does not recognise is not chosen.
            let judge: ClassJudge = { _, labels in labels.indices.map { $0 == style ? 0.2 : 0.9 } }
            let judged = try outcome(
                Composer(FourierSpace(), method: .candidate, contents: EdgeContent()), judge: (0.5, judge))
            #expect(judged.composition?.style != style && judged.composition != nil)

            // None is close enough: the source where it is in the pool, the image as it was where it is not.
            for includesSource in [true, false] {
                let far = try outcome(
                    Composer(
                        FourierSpace(), method: .candidate, contents: EdgeContent(), contentThreshold: 1,
                        includesSource: includesSource))
                #expect(far.image == request(0).source && (far.composition != nil) == includesSource)
                #expect(far.composition?.style == nil && far.composition?.content == nil)
                let row = CandidateGallery.sheet([far], names: ["far"]).rows[0]
                #expect(row[1].caption == "other content" || includesSource)
            }
        }
    }

    @Test func aWarmStoreGivesTheSameWithoutTheGenerator() throws {
        try withTemporaryFolder { folder in
            var cold = Ledger()
            let requests = (0..<3).map { request($0) }
            let first = try augmenter(folder).outcomes(requests, ledger: &cold)
            #expect(cold.generatedMade == 15 && cold.composedMade == 3)
            // 15 candidates in batches of 4, the last one filled up.
            #expect(cold.unetEvaluations == 16 * 24 && cold.vaePasses == 16 * 2)

            let unused = Restyler()
            var warm = Ledger()
            let again = try augmenter(folder, unused).outcomes(requests, ledger: &warm)
            #expect(unused.batches.isEmpty)
            #expect(warm.generatedMade == 0 && warm.composedMade == 0 && warm.unetEvaluations == 0)
            #expect(zip(first, again).allSatisfy { $0.image == $1.image && $0.candidates == $1.candidates })
            #expect(zip(first, again).allSatisfy { $0.composition?.style == $1.composition?.style })
        }
    }

    @Test func whatIsMissingInTheStoreDoesNotChangeTheRest() throws {
        try withTemporaryFolder { folder in
            var ledger = Ledger()
            let requests = (0..<3).map { request($0) }
            let whole = try augmenter("\(folder)/a").outcomes(requests, ledger: &ledger)
            let generator = Restyler()
            let store = ContentStore("\(folder)/b")
            _ = try augmenter(store.folder, generator).outcomes([requests[1]], ledger: &ledger)
            try FileManager.default.removeItem(atPath: try #require(store.entries(of: .candidate).last?.path))
            let mixed = try augmenter(store.folder, generator).outcomes(requests, ledger: &ledger)
            #expect(zip(whole, mixed).allSatisfy { $0.candidates == $1.candidates && $0.image == $1.image })
            #expect(generator.batches.allSatisfy { $0 == 4 })
        }
    }

    @Test func candidatesDependOnModelPromptSeedAndImage() throws {
        try withTemporaryFolder { folder in
            var ledger = Ledger()
            _ = try augmenter(folder).outcomes([request(0)], ledger: &ledger)
            let generator = Restyler("another model")
            _ = try augmenter(folder, generator).outcomes([request(0)], ledger: &ledger)
            #expect(ledger.generatedMade == 10)
            _ = try augmenter(folder).outcomes([request(0, seeds: [1, 2, 9])], ledger: &ledger)
            #expect(ledger.generatedMade == 11)
            _ = try augmenter(folder).outcomes([request(1)], ledger: &ledger)
            #expect(ledger.generatedMade == 16)
        }
    }

    @Test func candidatesThatTheJudgeDoesNotRecogniseAreDropped() throws {
        try withTemporaryFolder { folder in
            var ledger = Ledger()
            let all = try augmenter(folder).outcomes([request(0)], ledger: &ledger)[0]
            let favourite = try #require(all.composition?.style)
            // Probabilities by the place of a candidate: of every image, the favourite one is not recognised.
            let judge: ClassJudge = { images, labels in
                #expect(images.shape == [5, 3, 32, 32] && labels == [1, 1, 1, 1, 1])
                return labels.indices.map { $0 == favourite ? 0.2 : 0.9 }
            }
            let outcome = try augmenter(folder, judge: (0.5, judge)).outcomes([request(0)], ledger: &ledger)[0]
            #expect(outcome.kept == (0..<5).filter { $0 != favourite })
            let composition = try #require(outcome.composition)
            #expect(composition.style != favourite && composition.content != favourite)
            #expect(composition.styleSimilarities[favourite] == nil)

            let none = try augmenter(folder, judge: (0.95, judge)).outcomes([request(0)], ledger: &ledger)[0]
            #expect(none.composition == nil && none.image == request(0).start)
        }
    }

    @Test func nothingOfAFailureIsStored() throws {
        try withTemporaryFolder { folder in
            let generator = Restyler()
            generator.isBroken = true
            var ledger = Ledger()
            let error = #expect(throws: UserError.self) {
                try augmenter(folder, generator).outcomes([request(0)], ledger: &ledger)
            }
            #expect(error?.message.contains("not finite") == true)
            #expect(ContentStore(folder).entries().isEmpty && ledger.generatedMade == 0)
        }
    }

    @Test func pollEndsTheWorkAndKeepsWhatIsDone() throws {
        struct Stop: Error {}
        try withTemporaryFolder { folder in
            var ledger = Ledger()
            var polls = 0
            #expect(throws: Stop.self) {
                try augmenter(folder).outcomes((0..<3).map { request($0) }, ledger: &ledger) {
                    polls += 1
                    if polls == 3 { throw Stop() }
                }
            }
            #expect(ledger.generatedMade == 8)
            #expect(ContentStore(folder).entries(of: .candidate).count == 8)
        }
    }

    @Test func aGalleryShowsEveryStage() throws {
        try withTemporaryFolder { folder in
            var ledger = Ledger()
            let judge: ClassJudge = { _, labels in labels.indices.map { $0 < 5 && $0 != 2 ? 1 : 0 } }
            let outcomes = try augmenter(folder, judge: (0.5, judge)).outcomes(
                [request(0), request(1)], ledger: &ledger)
            let sheet = CandidateGallery.sheet(outcomes, names: ["first", "second"], title: "Candidates")
            #expect(sheet.rows.map(\.count) == [9, 9])
            #expect(
                sheet.columnLabels == [
                    "image", "candidate 1", "candidate 2", "candidate 3", "candidate 4", "candidate 5", "chosen style",
                    "chosen content", "composed",
                ])
            #expect(sheet.rows[0][3].caption == "not recognised")
            #expect(
                sheet.rows[0][1...5].filter { $0.caption.hasSuffix(" style") || $0.caption.hasSuffix(" both") }.count
                    == 1)
            #expect(sheet.rows[1][8].caption == "as it was")
            try sheet.write(to: "\(folder)/gallery.png")
            #expect(try ImageFile.decode("\(folder)/gallery.png").width > 9 * 128)
        }
    }
}
