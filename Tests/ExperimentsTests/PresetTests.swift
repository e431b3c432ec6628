import DomainGeneralization
import Foundation
import Foundations
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
        #expect(RunConfiguration(preset: .small).steps == RunConfiguration().steps)
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
