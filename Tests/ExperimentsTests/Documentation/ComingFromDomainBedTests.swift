import DomainGeneralization
import Foundations
import TestSupport
import Testing

@testable import Experiments

/// The code of the guide's page «Coming from DomainBed»; `DocumentationTests` compares the two.
struct ComingFromDomainBedTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func splits() throws {
        let root = try folder.makeDataset(count: 5)

        let dataset = try ImageFolder(root)  // datasets.PACS(root, test_envs, hparams)
        let held = try dataset.environment(named: "c")  // 2: environments are sorted by name
        let split = Split(dataset, trialSeed: 1, testEnvironments: [held])  // misc.split_dataset of every environment
        print(split.training[0].count, split.validation[0].count)  // 8 2: the in and the out part
        print(seedHash(1, 0))  // misc.seed_hash(1, 0), which seeds the first environment's shuffle

        #expect(split.training[0].count == 8 && split.validation[0].count == 2)
    }

    @Test func hyperparameters() throws {
        let algorithm = try AlgorithmRegistry.all.algorithm(named: "CORAL")
        let search = HyperparameterSearch(algorithm, dataset: "PACS")
        let standard = search.values(draw: 0, trial: 0)  // hparams_registry.default_hparams("CORAL", "PACS")
        let drawn = search.values(draw: 3, trial: 1)  // random_hparams("CORAL", "PACS", seed_hash(3, 1))
        print(standard["mmd_gamma"] ?? .null, drawn["mmd_gamma"] ?? .null)

        #expect(standard["mmd_gamma"]?.double == 1 && drawn["mmd_gamma"]?.double != 1)
    }

    @Test func run() throws {
        let root = try folder.makeDataset(count: 3)
        let output = folder.path("sweep")

        var configuration = RunConfiguration()  // train.py's arguments
        configuration.data = root  // --data_dir and --dataset
        configuration.testDomains = ["c"]  // --test_envs 2
        configuration.algorithm = .init(name: "ERM")  // --algorithm ERM
        configuration.seed = 1  // --trial_seed 1
        configuration.steps = 2  // --steps 2
        configuration.evaluateEvery = 1  // --checkpoint_freq 1
        configuration.batchSize = 2  // --hparams '{"batch_size": 2}'
        configuration.backbone.weights = "none"
        configuration.imageSize = 32
        let run = try TrainingRun(
            configuration, folder: "\(output)/run", registry: .all, threads: 1, report: { _ in })
        let summary = try run.run()  // results.jsonl, checkpoints and done in the run's folder

        let records = try ResultRecord.read(folder: output, nested: true, warn: { print($0) })  // load_records(output)
        let report = try ResultReport(records, knownOnly: false)
        print(report.text())  // collect_results.py's tables

        #expect(summary.steps == 2 && records.count == 2 && report.text().contains("ERM"))
    }
}
