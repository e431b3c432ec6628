import DomainGeneralization
import Foundation
import Foundations
import TestSupport
import Testing

@testable import Experiments

struct PresetTests {
    @Test func holdsWhatIsPublished() {
        let domainBed = RunConfiguration(preset: .domainbed2020, dataset: "data/PACS")
        #expect(domainBed.backbone.name == "resnet50")
        #expect(domainBed.backbone.freezeBatchNorm)
        #expect((domainBed.steps, domainBed.evaluateEvery, domainBed.batchSize) == (5000, 300, 32))
        #expect(RunConfiguration(preset: .domainbed2020, dataset: "DomainNet").evaluateEvery == 1000)
        #expect(RunConfiguration(preset: .domainbed2020, dataset: "DomainNet").steps == 5000)
        let swad = RunConfiguration(preset: .swad2021, dataset: "domain_net")
        #expect((swad.steps, swad.evaluateEvery) == (15000, 500))
        #expect(RunConfiguration(preset: .swad2021, dataset: "PACS").evaluateEvery == 100)
        #expect(RunConfiguration(preset: .swad2021, dataset: "VLCS").averaging.ratio == 0.2)
        #expect(RunConfiguration(preset: .swad2021, dataset: "PACS").averaging.method == .swad)
        #expect(!RunConfiguration(preset: .domainbedHead).backbone.freezeBatchNorm)
        #expect(RunConfiguration(preset: .domainfusion2024).algorithm.name == "DomainFusion")
        let small = RunConfiguration(preset: .small)
        #expect((small.steps, small.learningRate, small.learningRateSchedule) == (300, 1e-3, .cosine))
        // What files of earlier versions leave out is as it was.
        #expect(RunConfiguration(preset: .small1) == RunConfiguration())
        #expect((RunConfiguration().learningRate, RunConfiguration().learningRateSchedule) == (3e-4, .constant))
        #expect(small.deviations(dataset: "", weightsDigest: nil).isEmpty && !small.followsDomainBed)
    }

    @Test func offersNearMisses() {
        #expect(throws: UserError("no preset 'swad2021'; did you mean swad-2021?")) {
            try RunConfiguration.Preset(named: "swad2021")
        }
    }

    @Test func namesDeviations() throws {
        var configuration = RunConfiguration(preset: .domainbed2020, dataset: "PACS")
        configuration.testDomains = ["sketch"]
        configuration.data = "elsewhere/PACS"
        configuration.seed = 2
        let known = try #require(RunConfiguration.Preset(rawValue: "domainbed-2020")).knownDeviations
        #expect(configuration.deviations(dataset: "PACS", weightsDigest: "0676ba61b6") == known)
        configuration.steps = 300
        configuration.backbone.freezeBatchNorm = false
        #expect(
            configuration.deviations(dataset: "PACS", weightsDigest: "11ad3fa6") == [
                "backbone.freezeBatchNorm: false, true in the preset", "steps: 300, 5000 in the preset",
                "weights: not torchvision's resnet50-0676ba61.pth",
            ] + known)
        #expect(RunConfiguration().deviations(dataset: "", weightsDigest: nil).isEmpty)
    }

    /// Emoji belong to EmojiDG under the small preset, and to nothing else.
    @Test func embeddedModelIsForEmojiAlone() throws {
        func settings(_ preset: RunConfiguration.Preset, _ data: String, _ name: String) throws -> JSONValue {
            let run = RunConfiguration(preset: preset, dataset: data, algorithm: name)
            return try AlgorithmRegistry.all.algorithm(named: name).resolved(run.algorithm.hyperparameters)
        }
        let emoji = try settings(.small, "data/EmojiDG", "domainfusion")
        #expect(emoji["ldm"] == .string("Models/emoji-ldm"))
        #expect(emoji["styles"]?["unifont"] == .string("pixel art"))
        for name in ["distillation", "posterior"] {
            #expect(emoji[name]?["prompt"] == .string("an emoji of {a class}"))
        }
        #expect(emoji["augmentation"]?["prompts"] == .array([.string("an emoji of {a class}")]))
        #expect(try settings(.small, "EmojiDG", "MODE-A")["ldm"] == .string("Models/emoji-ldm"))

        let own = try settings(.small, "photos", "DomainFusion")
        #expect(own["ldm"] == .string("") && own["styles"] == .object([:]))
        #expect(own["distillation"]?["prompt"] == .string("a photo of {a class}"))
        #expect(own["augmentation"]?["prompts"] == .array([.string("a photo of {a class}")]))
        #expect(try settings(.domainbed2020, "EmojiDG", "MODE-A")["ldm"] == .string(""))

        let paper = try settings(.domainfusion2024, "PACS", "DomainFusion")
        #expect(paper["ldm"] == .string("stable-diffusion-v1-5/stable-diffusion-v1-5"))
        #expect(paper["distillation"]?["mode"] == .string("online"))
        #expect(paper["augmentation"]?["contentPool"] == .string("candidates"))
    }

    /// What is added to any algorithm has the same defaults as DomainFusion's parts.
    @Test func presetsHoldForAdditionsToo() throws {
        var run = RunConfiguration(preset: .small, dataset: "EmojiDG", algorithm: "CORAL")
        run.terms = ["ld": ["nodes": 5]]
        run.images = ["ola": [:]]
        let emoji = try Additions.resolved(run)
        #expect(emoji.diffusion?["ldm"] == "Models/emoji-ldm" && emoji.diffusion?["styles"]?["noto"] == "shaded colour")
        #expect(emoji.terms?["ld"]?["prompt"] == "an emoji of {a class}" && emoji.terms?["ld"]?["nodes"] == 5)
        #expect(emoji.images?["ola"]?["prompts"] == ["an emoji of {a class}"])
        try run.requireModel()
        run.data = "photos"
        #expect(try Additions.resolved(run).terms?["ld"]?["prompt"] == "a photo of {a class}")
        #expect {
            try run.requireModel()
        } throws: { "\($0)".hasPrefix("CORAL + ld + ola needs a latent diffusion model; ") }
        run.diffusion = ["ldm": "somewhere"]
        try run.requireModel()
    }

    /// Who has data and no model is told what to fetch or train.
    @Test func asksForAModel() throws {
        var run = RunConfiguration(preset: .small, dataset: "photos", algorithm: "DomainFusion")
        #expect {
            try run.requireModel()
        } throws: { error in
            ["DomainFusion needs", "--ldm", "ldm download", "ldm train"].allSatisfy { "\(error)".contains($0) }
        }
        run.algorithm.hyperparameters = .object(["ldm": .string("somewhere")])
        try run.requireModel()
        try RunConfiguration(preset: .small, dataset: "photos").requireModel()
        try RunConfiguration(preset: .small, dataset: "EmojiDG", algorithm: "MODE-A").requireModel()
    }

    /// What is wrong with the data is told before what is missing for the algorithm.
    @Test func dataComeFirst() throws {
        let folder = try TemporaryFolder()
        var run = RunConfiguration(preset: .small, dataset: "photos", algorithm: "DomainFusion")
        run.data = "\(folder.path)/none"
        run.testDomains = ["c"]
        run.backbone.weights = "none.pth"
        func message() -> String {
            do { _ = try RunSetup(run, registry: .all, threads: 1) { _ in } } catch { return "\(error)" }
            return ""
        }
        #expect(message().contains("none: no such folder"))
        run.data = try folder.makeDataset(count: 1)
        #expect(message().contains("needs a latent diffusion model"))
        run.algorithm = .init(name: "ERM")
        #expect(message().contains("none.pth: no such weights file"))
    }

    @Test func namesDeviationsOfTheAlgorithm() throws {
        var run = RunConfiguration(preset: .domainfusion2024, dataset: "PACS")
        let known = try #require(RunConfiguration.Preset(rawValue: "domainfusion-2024")).knownDeviations
        func lines(_ dataset: String = "PACS") -> [String] {
            run.deviations(dataset: dataset, weightsDigest: "0676ba61")
        }
        #expect(lines() == known)
        let changes: JSONValue = .object([
            "ldm": .string("sd"), "distillation": .object(["guidanceScale": .int(1)]),
            "augmentation": .object(["candidates": .int(2)]),
        ])
        run.algorithm.hyperparameters = run.algorithm.hyperparameters.overlaid(by: changes)
        #expect(
            lines() == [
                "algorithm.hyperparameters.augmentation.candidates: 2, 4 in the preset",
                "algorithm.hyperparameters.distillation.guidanceScale: 1, 7.5 in the preset",
                "algorithm.hyperparameters.ldm: \"sd\", \"stable-diffusion-v1-5/stable-diffusion-v1-5\" in the preset",
            ] + known)

        // What a draw changes is the draw's, and what is set beside it is not.
        run = RunConfiguration(preset: .domainbed2020, dataset: "PACS", algorithm: "CORAL")
        run.data = "data/PACS"
        run = try run.drawing(3, registry: .all)
        let plain = try #require(RunConfiguration.Preset(rawValue: "domainbed-2020")).knownDeviations
        #expect(lines() == plain)
        run.algorithm.hyperparameters = .object(["gamma": .double(7)])
        #expect(lines().count == plain.count + 1 && lines()[0].hasPrefix("algorithm.hyperparameters.gamma: 7"))
    }

    @Test func drawsHyperparameters() throws {
        var base = RunConfiguration(preset: .domainbed2020, dataset: "VLCS")
        base.data = "data/VLCS"
        let drawn = try base.drawing(1, registry: .all)
        // DomainBed's shipped record of VLCS, ERM, hparams_seed 1, trial_seed 0.
        #expect(drawn.learningRate == 2.7028930742148706e-05)
        #expect(drawn.batchSize == 39)
        #expect(drawn.backbone.dropout == 0.5)
        #expect(drawn.weightDecay == 0.00044832883881609976)
        #expect(drawn.draw == 1)
        #expect(try base.drawing(0, registry: .all).learningRate == 5e-5)
        // Defaults by data set, under a preset that follows DomainBed only.
        base.data = "data/RotatedMNIST"
        #expect(try base.drawing(0, registry: .all).learningRate == 1e-3)
        #expect(try RunConfiguration().drawing(0, registry: .all) == RunConfiguration())
        let search = HyperparameterSearch(try AlgorithmRegistry.all.algorithm(named: "ERM"), dataset: "VLCS")
        let record = drawn.domainBedHyperparameters(search)
        #expect(record["lr"] == .double(2.7028930742148706e-05))
        #expect(record["resnet_dropout"] == .double(0.5))
        #expect(record["freeze_bn"] == .bool(true))
    }
}
