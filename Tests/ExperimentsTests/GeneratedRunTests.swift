import Diffusion
import DomainFusion
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing

@testable import DomainGeneralization
@testable import Experiments

/// Runs that train on images that were generated before.
struct GeneratedRunTests {
    private let folder: TemporaryFolder
    private var configuration = RunConfiguration()

    init() throws {
        folder = try TemporaryFolder()
        configuration.data = try folder.makeDataset(count: 4)
        configuration.testDomains = ["c"]
        configuration.backbone.weights = "none"
        configuration.imageSize = 32
        configuration.batchSize = 2
        configuration.steps = 4
        configuration.evaluateEvery = 4
        configuration.saveEvery = 2
        try makePairs("fds", copies: 3)
        configuration.generated.folder = folder.path("fds")
    }

    /// Images between all pairs of the data set's domains.
    private func makePairs(_ name: String, copies: Int) throws {
        var lines = ""
        var number = 0
        for (first, second) in [("a", "b"), ("a", "c"), ("b", "c")] {
            for label in ["cat", "dog"] {
                for copy in 0..<copies {
                    number += 1
                    let path = "\(first)/\(first)_\(second)/\(label)/\(copy).png"
                    try folder.writeImage("\(name)/\(path)", seed: number)
                    let record: JSONValue = [
                        "path": .string(path), "sha256": "", "class": .string(label), "domain": .string(first),
                        "target": .string(second), "copy": .int(copy), "prompt": .string("\(first), \(label)"),
                        "other_prompt": .string("\(second), \(label)"), "weight": .double(copy == 0 ? 0.4 : 0.6),
                        "guidance": 5, "seed": .int(number),
                    ]
                    lines += record.text + "\n"
                }
            }
        }
        try folder.write(lines, to: "\(name)/manifest.jsonl")
    }

    private func run(_ name: String, _ configuration: RunConfiguration) throws -> TrainingRun {
        try TrainingRun(configuration, folder: folder.path(name), registry: .all, threads: 1, report: { _ in })
    }

    /// What a run was trained on, by the names of its environments.
    private func counts(_ context: AlgorithmContext) -> [String: Int] {
        let names = context.dataset.environments + context.dataset.addedEnvironments
        return Dictionary(
            uniqueKeysWithValues: context.trainingEnvironments.map { (names[$0], context.split.training[$0].count) })
    }

    /// A run counts what was generated for it: the images between its source domains, and of a selection what it chose from.
    @Test func theLedgerCountsWhatWasGeneratedBefore() throws {
        func cost(_ name: String) throws -> MethodCost {
            _ = try run(name, configuration).run()
            return try #require(MethodCost.all(in: [folder.path("runs")]).first)
        }
        let whole = try cost("runs/whole")
        #expect(whole.generatedImages == 6 && whole.sharedImages == 6)
        #expect(whole.fineTuningSteps == 0 && whole.unetEvaluations == 0 && whole.bytes == 0)
        // As if the 18 images were kept of 72, by a model that was fine-tuned.
        var ledger = Ledger()
        ledger.use(round: 1, generated: 72, composed: 0)
        (ledger.unetEvaluations, ledger.vaePasses, ledger.bytes) = (720, 72, 9000)
        ledger.add(seconds: 36, to: "generation")
        let taught = FineTuningRecord(
            model: "sd", data: "set", domains: ["a", "b"], images: 8, steps: 500, seconds: 70)
        ledger.before = PriorWork(models: [.init(taught)])
        try ledger.write(to: folder.path("fds/ledger.json"))
        try folder.write("{}", to: "fds/selection.json")
        try FileManager.default.removeItem(atPath: folder.path("runs/whole"))
        let selected = try cost("runs/selected")
        #expect(selected.generatedImages == 24 && selected.sharedImages == 24)
        #expect(selected.unetEvaluations == 240 && selected.vaePasses == 24 && selected.bytes == 3000)
        #expect(selected.fineTuningSteps == 500 && selected.fineTuningSeconds == 70)
        #expect(selected.diffusionSeconds == 12)
        // A model that has learned from what a run holds out.
        ledger.before?.models[0].record.domains = ["a", "b", "c"]
        try ledger.write(to: folder.path("fds/ledger.json"))
        let error = #expect(throws: UserError.self) { try run("seen", configuration) }
        #expect(error?.message.contains("its diffusion model was fine-tuned on c, which this run holds out") == true)
    }

    @Test func pairsAreEnvironmentsOfTheirOwn() throws {
        var pairs = configuration
        pairs.generated.environments = .pairs
        let plain = try run(
            "plain",
            {
                var plain = configuration; plain.generated = .init(); return plain
            }()
        ).context
        let context = try run("pairs", pairs).context
        #expect(context.sourceEnvironments == [0, 1] && context.trainingEnvironments == [0, 1, 3])
        #expect(context.dataset.environments == ["a", "b", "c"] && context.dataset.addedEnvironments == ["a+b"])
        #expect(counts(context) == ["a": 7, "b": 7, "a+b": 6] && counts(plain) == ["a": 7, "b": 7])
        #expect(context.split.validation[3].isEmpty && context.stepsPerEpoch == 3)
        // The domains' own images and minibatches are what they are without.
        #expect(context.split.training[..<3] == plain.split.training[..<3])
        #expect(context.split.validation[..<3] == plain.split.validation[..<3])
        let (loader, other) = (MinibatchLoader(context), MinibatchLoader(plain))
        let made = try loader.minibatches(step: 3)
        #expect(made.map(\.environment) == [0, 1, 3] && made.allSatisfy { $0.count == 2 })
        #expect(made.prefix(2).map(\.items) == (try other.minibatches(step: 3)).map(\.items))
        #expect(made[2].items.allSatisfy { context.dataset.items[$0].isGenerated })
        let labels = made[2].items.map { context.dataset.items[$0].label }
        #expect(made[2].labels.scalars(Int64.self) == labels.map(Int64.init))

        // The held-out domain's pairs come in with words of it allowed, and are told apart in tables.
        pairs.generated.heldStyles = true
        #expect(counts(try run("star", pairs).context) == ["a": 7, "b": 7, "a+b": 6, "a+c": 6, "b+c": 6])
        #expect(pairs.methodName("ERM") == "ERM + generated pairs*")
    }

    /// Joined, each image counts to the domain with the larger share of it.
    @Test func joinedTheyAreAmongTheDomains() throws {
        let context = try run("joined", configuration).context
        #expect(context.trainingEnvironments == [0, 1] && context.dataset.addedEnvironments.isEmpty)
        // Of three copies the first is more of b.
        #expect(counts(context) == ["a": 7 + 4, "b": 7 + 2])
        #expect(configuration.methodName("ERM") == "ERM + generated")
    }

    /// Algorithms that keep something for each environment, or compare them; and all resume to the same bytes.
    @Test(arguments: ["ERM", "GroupDRO", "DANN", "CORAL", "Fishr", "MTL", "MLDG", "Mixup", "TRM", "ADRMX"])
    func algorithmsTrainOnPairs(_ algorithm: String) throws {
        var pairs = configuration
        pairs.algorithm.name = algorithm
        pairs.generated.environments = .pairs
        let summary = try run("whole", pairs).run()
        #expect(summary.last.step == 4 && summary.last.sourceValidation != nil)
        let row = try #require(try RunDirectory(existing: folder.path("whole")).rows().last)
        // Nothing but the domains is evaluated.
        #expect(row.values["env2_out_acc"] != nil && row.values["env3_out_acc"] == nil)
        #expect(row.values["env3_in_acc"] == nil)
        try FileManager.default.copyItem(atPath: folder.path("whole"), toPath: folder.path("half"))
        for name in ["done", "summary.json", "predictions.jsonl", "results.jsonl", "checkpoint/step-4"] {
            Files.remove(folder.path("half/\(name)"))
        }
        _ = try run("half", pairs).run()
        for file in ["checkpoint/step-4/model.safetensors", "predictions.jsonl"] {
            let bytes = try #require(Files.contents(folder.path("whole/\(file)")))
            #expect(Files.contents(folder.path("half/\(file)")) == bytes, "\(file)")
        }
    }

    /// The third environment reaches the algorithm: GroupDRO weighs it.
    @Test func anAlgorithmSeesEveryPair() throws {
        var pairs = configuration
        pairs.algorithm.name = "GroupDRO"
        pairs.generated.environments = .pairs
        pairs.generated.heldStyles = true
        let training = try run("run", pairs)
        _ = try training.run()
        let state = try #require(Files.contents(folder.path("run/checkpoint/step-4/optimizer.safetensors")))
        #expect(!state.isEmpty)
        #expect(training.context.trainingEnvironments == [0, 1, 3, 4, 5])
    }

    /// What asks a diffusion model about training images asks about those between domains, too.
    @Test func additionsSeePairs() throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        var pairs = configuration
        pairs.generated.environments = .pairs
        pairs.store = folder.path("store")
        pairs.diffusion = [
            "ldm": .string(tests.appendingPathComponent("DiffusionTests/Fixtures/sd1").path),
            "styles": ["a": "art", "b": "ink", "c": "chalk"],
        ]
        pairs.terms = ["ld": ["nodes": 2, "draws": 1, "prompt": "a {class}"]]
        pairs.images = ["ola": ["candidates": 1, "steps": 2, "everyEpochs": 1, "prompts": ["a {class}"]]]
        pairs.features = ["ldm": ["times": [50]]]
        let training = try run("run", pairs)
        _ = try training.run()
        let items = training.context.trainingItems.count
        #expect(items == 7 + 7 + 6)
        #expect(ContentStore(pairs.store).entries(of: .curve).count == items)
        let manifest = try #require(Files.contents(folder.path("run/synthetic/manifest.jsonl")))
        let made = try manifest.split(separator: 10).map { try #require(JSONValue(json: $0)) }
        #expect(made.count == items && made.count { $0["environment"]?.int == 3 } == 6)
        #expect(SyntheticSet.imagePaths(in: folder.path("run/synthetic")).allSatisfy { Files.exists($0) })

        // They have no style of their own.
        pairs.terms = ["ld": ["nodes": 2, "draws": 1, "prompt": "{a style} of {a class}"]]
        let error = #expect(throws: UserError.self) { _ = try run("styled", pairs).run() }
        #expect(error?.message.contains("images between two domains have no style of their own") == true)
        pairs.generated.environments = .joined
        pairs.steps = 1
        _ = try run("joined", pairs).run()
    }

    @Test func mistakesAreNamed() throws {
        func refusal(_ change: (inout RunConfiguration) -> Void) -> String? {
            var changed = configuration
            change(&changed)
            return #expect(throws: UserError.self) { try run("refused", changed) }?.message
        }
        let none = refusal { $0.testDomains = ["a", "b"] }
        #expect(none?.contains("no image in it is for this run") == true)
        try folder.write("{\"heldOut\": [\"a\"]}", to: "fds/selection.json")
        #expect(refusal { _ in }?.contains("its judge has seen c, which this run holds out") == true)
        Files.remove(folder.path("fds/selection.json"))
        Files.remove(folder.path("fds/a/a_b/cat/0.png"))
        #expect(refusal { _ in }?.contains("generate the folder again, or restore it") == true)
        let setting = #expect(throws: UserError.self) {
            try configuration.changed(bySetting: "generated.environments=both")
        }
        #expect(setting?.message.contains("'both' is none of joined, pairs") == true)
    }

    /// A finished run as the judge of generated images.
    @Test func runsJudge() throws {
        var plain = configuration
        plain.generated = .init()
        let judge = folder.path("judge")
        let unfinished = try run("judge", plain)
        func refusal(_ path: String) -> String? {
            #expect(throws: UserError.self) { try GeneratedJudge(run: path, device: "cpu", threads: 1) }?.message
        }
        #expect(refusal(judge)?.contains("is not done") == true)
        _ = try unfinished.run()
        let made = try GeneratedJudge(run: judge, device: "cpu", threads: 1)
        #expect(made.classes == ["cat", "dog"] && made.heldOut == ["c"] && made.fingerprint.count == 64)
        let image = try ImageFile.decode(folder.path("fds/a/a_b/cat/0.png"))
        let model = try TrainedModel(run: judge, device: "cpu", threads: 1)
        #expect(try made.probabilities([image]) == model.probabilities([image]))
        #expect(refusal(folder.path("nowhere"))?.contains("no run in this folder") == true)
        plain.oracle = true
        _ = try run("oracle", plain).run()
        #expect(refusal(folder.path("oracle"))?.contains("is an oracle") == true)
    }
}
