import DomainGeneralization
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing
import Torch

@testable import DomainFusion

@Suite struct OnlineAugmentationTests {
    /// The sets of rounds 1…`rounds` in a fresh run over the given store.
    private func sets(
        _ settings: AugmentationSettings, rounds: Int, store: String, run: String, generator: Restyler = Restyler()
    ) throws -> [SyntheticSet] {
        var ledger = Ledger()
        let augmentation = try someAugmentation(settings, store: store, generator: generator)
        return try (1...rounds).map { try augmentation.set(round: $0, folder: run, ledger: &ledger) }
    }

    @Test func theBudgetIsSpreadOverDomainsAndClasses() {
        let sources = someSources()
        let drawn = sources.drawn(budget: 9, seed: 0, draw: 0)
        #expect(drawn.count == 9 && Set(drawn).count == 9 && drawn == drawn.sorted())
        for (domain, counts) in [[8, 4, 2], [6, 6, 1]].enumerated() {
            for (label, count) in counts.enumerated() {
                let own = drawn.filter { sources[$0].environment == domain && sources[$0].label == label }.count
                #expect(abs(Double(own) - 9 * Double(count) / 27) < 1)
            }
        }
        #expect(sources.drawn(budget: 9, seed: 0, draw: 0) == drawn)
        #expect(sources.drawn(budget: 9, seed: 0, draw: 1) != drawn)
        #expect(sources.drawn(budget: 0, seed: 0, draw: 0) == Array(0..<27))
        #expect(sources.drawn(budget: 99, seed: 0, draw: 0) == Array(0..<27))
        // Without one source, the others of its class stay.
        let fewer = Array(sources.dropFirst())
        let shared = Set(fewer.drawn(budget: 9, seed: 0, draw: 0).map { fewer[$0].name })
            .intersection(drawn.map { sources[$0].name })
        #expect(shared.count >= 6)
    }

    @Test func roundsFollowEpochs() throws {
        try withTemporaryFolder { folder in
            let augmentation = try someAugmentation(someSettings { $0.everyEpochs = 2 }, store: folder)
            let rounds = [0, 19, 20, 39, 40].map { augmentation.round(step: $0, stepsPerEpoch: 10) }
            #expect(rounds == [1, 1, 2, 2, 3])
        }
    }

    @Test func aPromptWithAStyleIsOneForEachSourceDomain() throws {
        var settings = DomainFusionAlgorithm.Settings()
        settings.augmentation.prompts = ["{a style} emoji of {a class}", "an emoji of {a class}"]
        #expect(throws: UserError.self) { try settings.validate(path: "settings") }
        settings.styles = ["ink": "ink", "open": "outlined flat", "pixel": "pixel art"]
        try settings.validate(path: "settings")
        let styles = DomainStyles(settings.styles, domains: ["open", "ink"])
        #expect(
            try styles.prompts(settings.augmentation.prompts) == [
                "an outlined flat emoji of {a class}", "an ink emoji of {a class}", "an emoji of {a class}",
            ])
        #expect(try styles.prompt("{style} {class}", domain: "ink") == "ink {class}")
        #expect(throws: UserError("styles: no style for the source domain 'photo'; add it")) {
            try DomainStyles(settings.styles, domains: ["ink", "photo"]).prompts(settings.augmentation.prompts)
        }
        // The held-out domain's style, which an oracle run would ask for.
        #expect(throws: UserError.self) { try styles.prompt("{style} {class}", domain: "pixel") }
        settings = DomainFusionAlgorithm.Settings()
        settings.distillation.prompt = "{a style} emoji of {a class}"
        #expect(throws: UserError.self) { try settings.validate(path: "settings") }
    }

    @Test func candidatesTakeTurnsWithThePrompts() {
        let image = RGBImage(width: 2, height: 2, pixels: [UInt8](repeating: 255, count: 12))
        var settings = AugmentationSettings()
        settings.prompts = ["a cartoon emoji of {a class}", "a pencil emoji of {a class}", "an emoji of {a class}"]
        settings.candidates = 2
        var all = Set<[String]>()
        for round in 1...20 {
            let request = settings.request(
                name: "a.png", start: image, source: image, label: 0, className: "lion", round: round)
            all.insert(request.prompts)
        }
        let (cartoon, pencil, any) = ("a cartoon emoji of a lion", "a pencil emoji of a lion", "an emoji of a lion")
        #expect(all == [[cartoon, pencil], [pencil, any], [any, cartoon]])
    }

    @Test func promptsAndSeedsAreTheItems() throws {
        try withTemporaryFolder { folder in
            let generator = Restyler()
            let set = try sets(
                someSettings { $0.budget = 0 }, rounds: 1, store: "\(folder)/s", run: "\(folder)/r",
                generator: generator)[0]
            #expect(set.count == 27)
            #expect(generator.prompts == ["a photo of a lion", "a photo of an apple", "a photo of a hot dog"])
            let seeds = set.records.flatMap(\.seeds)
            #expect(Set(seeds).count == 27 * 3 && seeds.allSatisfy { $0 < 1 << 52 })
            let record = try #require(set.records.first { $0.source == "d1/c2/0.png" })
            #expect(record.className == "hot_dog" && record.label == 2 && record.environment == 1)
            #expect(
                record.seeds[2] == AugmentationSettings().candidateSeed(image: "d1/c2/0.png", round: 1, candidate: 2))
        }
    }

    @Test(arguments: [AugmentationSettings.Start.previous, .raw], [false, true])
    func resumedRunsComeToTheSameSets(_ start: AugmentationSettings.Start, _ redraw: Bool) throws {
        try withTemporaryFolder { folder in
            let settings = someSettings {
                $0.start = start
                $0.redraw = redraw
            }
            let whole = try sets(settings, rounds: 3, store: "\(folder)/s", run: "\(folder)/a")
            let final = try files(in: "\(folder)/a")

            // Asked for the last round at once, with the store warm, then with another store.
            for store in ["s", "t"] {
                var ledger = Ledger()
                let direct = try someAugmentation(settings, store: "\(folder)/\(store)")
                    .set(round: 3, folder: "\(folder)/b-\(store)", ledger: &ledger)
                #expect(direct.images == whole[2].images && direct.records == whole[2].records)
                #expect(try files(in: "\(folder)/b-\(store)") == final)
            }
            // Taken up at round 2, with round 3 on the disk already.
            var ledger = Ledger()
            let back = try someAugmentation(settings, store: "\(folder)/s").set(
                round: 2, folder: "\(folder)/a", ledger: &ledger)
            #expect(back.images == whole[1].images && back.records == whole[1].records)
            // Taken up at round 3, with round 2 on the disk.
            _ = try someAugmentation(settings, store: "\(folder)/s").set(
                round: 3, folder: "\(folder)/a", ledger: &ledger)
            #expect(try files(in: "\(folder)/a") == final)
            #expect(ledger.generatedMade == 0)
        }
    }

    @Test func roundsStartFromTheImageBeforeOrFromTheSource() throws {
        try withTemporaryFolder { folder in
            for start in [AugmentationSettings.Start.previous, .raw] {
                var ledger = Ledger()
                let store = "\(folder)/\(start)"
                let augmentation = try someAugmentation(someSettings { $0.start = start }, store: store)
                let first = try augmentation.set(round: 1, folder: "\(store)-run", ledger: &ledger)
                _ = try augmentation.set(round: 2, folder: "\(store)-run", ledger: &ledger)
                let started = ContentStore(store).entries(of: .candidate).compactMap {
                    $0.description?["image"]?.string
                }
                let previous = Set(first.images.map { SHA256Sum.of($0) })
                let raw = Set(
                    try first.records.map { record in
                        let source = try #require(someSources().first { $0.name == record.source })
                        return SHA256Sum.of(try source.image().resized(width: 32, height: 32))
                    })
                #expect(Set(started) == (start == .previous ? raw.union(previous) : raw))
            }
        }
    }

    @Test(arguments: [AugmentationSettings.Amplitudes.sources, .noise])
    func amplitudesOfAControlAreDrawnBySeed(_ amplitudes: AugmentationSettings.Amplitudes) throws {
        try withTemporaryFolder { folder in
            func settings(_ change: (inout AugmentationSettings) -> Void = { _ in }) -> AugmentationSettings {
                someSettings {
                    $0.composition = .fourier
                    $0.redraw = true
                    change(&$0)
                }
            }
            func made(_ settings: AugmentationSettings, _ run: String) throws -> [SyntheticSet] {
                try sets(settings, rounds: 2, store: "\(folder)/s", run: "\(folder)/\(run)")
            }
            let plain = try made(settings(), "plain")
            let control = try made(settings { $0.amplitudes = amplitudes }, "control")
            // The same images and candidates, other amplitudes.
            #expect(control.map { $0.records.map(\.seeds) } == plain.map { $0.records.map(\.seeds) })
            #expect(control[0].images != plain[0].images && control[0].records.allSatisfy { $0.style == nil })
            #expect(plain[0].records.allSatisfy { $0.styleSource == nil && $0.style != nil })
            let lines = control.flatMap(\.records)
            if amplitudes == .sources {
                #expect(lines.allSatisfy { $0.styleSource?.prefix(2) == ($0.environment == 0 ? "d1" : "d0") })
                #expect(Set(lines.compactMap(\.styleSource)).count > 4)
            } else {
                #expect(lines.allSatisfy { $0.styleSource == nil })
            }
            #expect(try made(settings { $0.amplitudes = amplitudes }, "again").map(\.images) == control.map(\.images))
        }
    }

    @Test func aSecondDomainIsNeededForItsAmplitudes() throws {
        let settings = someSettings {
            $0.composition = .fourier
            $0.amplitudes = .sources
        }
        var ledger = Ledger()
        let alone = try OnlineAugmentation(
            settings, sources: someSources().filter { $0.environment == 0 }, generator: Restyler(),
            composer: Composer(FourierSpace()), store: ContentStore("none"))
        let error = #expect(throws: UserError.self) { try alone.examples(1, ledger: &ledger) }
        #expect(error?.message.hasPrefix("amplitudes: there is no other image") == true)
    }

    @Test func theLedgerCountsUseOnceAndWorkAsDone() throws {
        try withTemporaryFolder { folder in
            let augmentation = try someAugmentation(someSettings(), store: "\(folder)/s")
            var ledger = Ledger()
            for round in [1, 2, 2] { _ = try augmentation.set(round: round, folder: "\(folder)/a", ledger: &ledger) }
            #expect(ledger.generatedUsed == 2 * 7 * 3 && ledger.generatedMade == 2 * 7 * 3)
            #expect(ledger.composedUsed == 14 && ledger.rounds == 2 && ledger.generatedFromStore == 0)
            // Killed after round 2 and taken up in round 1: nothing is used or made twice.
            for round in [1, 2] { _ = try augmentation.set(round: round, folder: "\(folder)/a", ledger: &ledger) }
            #expect(ledger.generatedUsed == 42 && ledger.generatedMade == 42 && ledger.composedUsed == 14)
            // Another run finds everything in the store.
            var other = Ledger()
            _ = try augmentation.set(round: 1, folder: "\(folder)/b", ledger: &other)
            #expect(other.generatedUsed == 21 && other.generatedMade == 0 && other.generatedFromStore == 21)
        }
    }

    @Test func examplesAreThoseOfTheFirstRound() throws {
        try withTemporaryFolder { folder in
            let augmentation = try someAugmentation(someSettings(), store: "\(folder)/s")
            var ledger = Ledger()
            let set = try augmentation.set(round: 1, folder: "\(folder)/a", ledger: &ledger)
            let made = ledger.generatedMade
            let examples = try augmentation.examples(3, ledger: &ledger)
            #expect(examples.count == 3 && ledger.generatedMade == made)
            #expect(examples.allSatisfy { set.images.contains($0.image) })
            let gallery = try augmentation.gallery(3, ledger: &ledger)
            #expect(gallery.rows.count == 3 && Set(gallery.rowLabels).count == 3)
            #expect(gallery.rowLabels.allSatisfy { ["d0", "d1"].contains($0.prefix(2)) })
        }
    }

    @Test func settingsOutOfRangeAreNamed() throws {
        let wrong: [(String, (inout AugmentationSettings) -> Void)] = [
            ("budget: -1 is below 0", { $0.budget = -1 }),
            ("strength: 0.0 is not above 0 and at most 1", { $0.strength = 0 }),
            ("steps: must be enough for one step at this strength", { $0.steps = 1 }),
            ("prompts: must be texts with {class} or {a class} in them", { $0.prompts = ["an emoji"] }),
            ("candidates: 0 is not in 1…1000", { $0.candidates = 0 }),
            ("share: 1.0 is not above 0 and at most 0.99", { $0.share = 1 }),
            ("guidanceScale: nan is below 1", { $0.guidanceScale = .nan }),
            ("fourierRadius: 1.5 is not in 0…1", { $0.fourierRadius = 1.5 }),
            (
                "candidates: must be at most 1, as many as there are prompts: inversion makes one image for each",
                { $0.generator = .inversion }
            ),
            (
                "scheduler: must be own, since inversion walks by DDIM",
                { ($0.generator, $0.scheduler, $0.candidates) = (.inversion, .dpmSolver, 1) }
            ),
            (
                "amplitudes: must be candidates, since the composition is latent, not fourier",
                { $0.amplitudes = .noise }
            ),
            ("contentThreshold: 2.0 is not in 0…1", { $0.contentThreshold = 2 }),
            ("judgeThreshold: must be above 0, since there is a judge (runs/erm)", { $0.judge = "runs/erm" }),
        ]
        for (message, change) in wrong {
            #expect(throws: UserError("augmentation.\(message)")) {
                try someSettings(change).validate(path: "augmentation")
            }
        }
        try AugmentationSettings().validate(path: "augmentation")
        #expect(throws: UserError.self) {
            try someAugmentation(someSettings { $0.judgeThreshold = 0.5 }, store: "none")
        }
    }

    @Test func setsDependOnTheJudgesWeights() throws {
        let settings = someSettings { $0.judgeThreshold = 0.5 }
        let recipes = try ["a", "b", "a"].map { weights in
            let judge = CandidateJudge(fingerprint: weights) { _, labels in labels.map { _ in 1 } }
            return try someAugmentation(settings, store: "none", judge: judge).recipe
        }
        #expect(recipes[0] == recipes[2] && recipes[0] != recipes[1])
    }
}
