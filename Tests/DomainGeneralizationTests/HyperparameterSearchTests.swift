import Foundation
import Foundations
import Testing

@testable import DomainGeneralization

/// Draws equal those that numpy makes from DomainBed's ranges (scripts/fixtures/random_search.py).
struct HyperparameterSearchTests {
    struct Record: Decodable, Sendable {
        let algorithm: String
        let dataset: String
        let hparamsSeed: Int
        let trialSeed: Int
        let values: [String: JSONValue]

        enum CodingKeys: String, CodingKey {
            case algorithm, dataset, values
            case hparamsSeed = "hparams_seed"
            case trialSeed = "trial_seed"
        }
    }

    static func records() throws -> [Record] {
        let url = Bundle.module.url(forResource: "Fixtures/random_search", withExtension: "json")
        return try JSONDecoder().decode([Record].self, from: Data(contentsOf: try #require(url)))
    }

    private func check(_ algorithm: AlgorithmDescription, _ record: Record) {
        let search = HyperparameterSearch(algorithm, dataset: record.dataset)
        let values = search.values(draw: record.hparamsSeed, trial: record.trialSeed)
        func comparable(_ values: [String: JSONValue]) -> [String: JSONValue] {
            values.mapValues { $0.double.map(JSONValue.double) ?? $0 }
        }
        #expect(
            comparable(values) == comparable(record.values),
            "\(record.algorithm) on \(record.dataset), draw \(record.hparamsSeed), trial \(record.trialSeed)")
    }

    /// Every algorithm of the registry that DomainBed has draws DomainBed's values.
    @Test func drawsDomainBedsValues() throws {
        var checked: Set<String> = []
        for record in try Self.records() {
            let named = AlgorithmRegistry.standard.algorithms.first { $0.domainBedName == record.algorithm }
            guard let algorithm = named else { continue }
            check(algorithm, record)
            checked.insert(record.algorithm)
        }
        #expect(checked == Set(try Self.records().map(\.algorithm)))
    }

    /// All kinds of draws, those of settings of the run included.
    @Test func drawsOfEveryKind() throws {
        struct Adversarial: Hyperparameters {
            var lambda = 1.0
            var weightDecayD = 0.0
            var steps = 1
            var penalty = 0.0
            var beta1 = 0.5
            var width = 256
            var depth = 3
            var dropout = 0.0
            var learningRateG = 5e-5
            var learningRateD = 5e-5
            var weightDecayG = 0.0

            static let fields: [Setting<Self>] = [
                Setting("lambda", \.lambda, "", search: .power(10, -2, 2)),
                Setting(
                    "weightDecayD", \.weightDecayD, "", search: .power(10, -6, -2), domainBed: "weight_decay_d"),
                Setting("steps", \.steps, "", search: .wholePower(2, 0, 3), domainBed: "d_steps_per_g_step"),
                Setting("penalty", \.penalty, "", search: .power(10, -2, 1), domainBed: "grad_penalty"),
                Setting("beta1", \.beta1, "", search: .choice([0, 0.5])),
                Setting("width", \.width, "", search: .wholePower(2, 6, 10), domainBed: "mlp_width"),
                Setting("depth", \.depth, "", search: .choice([3, 4, 5]), domainBed: "mlp_depth"),
                Setting("dropout", \.dropout, "", search: .choice([0, 0.1, 0.5]), domainBed: "mlp_dropout"),
                Setting("learningRateG", \.learningRateG, "", search: .power(10, -5, -3.5), domainBed: "lr_g")
                    .on(.smallImages, .power(10, -4.5, -2.5), default: 1e-3),
                Setting("learningRateD", \.learningRateD, "", search: .power(10, -5, -3.5), domainBed: "lr_d")
                    .on(.smallImages, .power(10, -4.5, -2.5), default: 1e-3),
                Setting(
                    "weightDecayG", \.weightDecayG, "", search: .power(10, -6, -2), domainBed: "weight_decay_g"
                ).on(.smallImages, .constant(.double(0))),
            ]
        }
        /// In a group, as those of any settings.
        struct Fishr: Hyperparameters {
            struct Penalty: Hyperparameters {
                var lambda = 1000.0
                var annealSteps = 1500

                static let fields: [Setting<Self>] = [
                    Setting("lambda", \.lambda, "", search: .power(10, 1, 4)),
                    Setting(
                        "annealSteps", \.annealSteps, "", search: .wholeUniform(0, 5000),
                        domainBed: "penalty_anneal_iters"),
                ]
            }
            var penalty = Penalty()
            var ema = 0.95

            static let fields: [Setting<Self>] = [
                .group("penalty", \.penalty, ""),
                Setting("ema", \.ema, "", search: .uniform(0.90, 0.99)),
            ]
        }
        struct ARM: Hyperparameters {
            static let fields: [Setting<Self>] = []
            static let runSearch = [
                SearchRange("batchSize", of: .run, as: "batch_size", default: .int(8), .constant(.int(8)))
                    .on(.smallImages, default: .int(64), .wholePower(2, 3, 9))
            ]
        }
        let local = [
            "DANN": AlgorithmDescription("DANN", "", Adversarial.self) { try ERM(context: $1) },
            "Fishr": AlgorithmDescription("Fishr", "", Fishr.self) { try ERM(context: $1) },
            "ARM": AlgorithmDescription("ARM", "", ARM.self) { try ERM(context: $1) },
        ]
        var count = 0
        for record in try Self.records() {
            guard let algorithm = local[record.algorithm] else { continue }
            check(algorithm, record)
            count += 1
        }
        #expect(count == 30)
        let fishr = HyperparameterSearch(try #require(local["Fishr"]), dataset: "PACS")
        #expect(
            fishr.settings(draw: 1, trial: 0).algorithm.keys.sorted() == [
                "ema", "penalty.annealSteps", "penalty.lambda",
            ])
    }

    @Test func sortsValuesByPlace() throws {
        let erm = try AlgorithmRegistry.standard.algorithm(named: "ERM")
        let (run, own) = HyperparameterSearch(erm, dataset: "VLCS").settings(draw: 1, trial: 0)
        #expect(run["learningRate"] == .double(2.7028930742148706e-05))
        #expect(run["batchSize"] == .int(39))
        #expect(run["weightDecay"] == .double(0.00044832883881609976))
        #expect(run["backbone.dropout"] == .double(0.5))
        #expect(own.isEmpty)
    }

    /// Every setting that is searched exists, and its value is one that the algorithm takes.
    @Test(arguments: AlgorithmRegistry.standard.algorithms.map(\.name))
    func drawsPossibleSettings(_ name: String) throws {
        let algorithm = try AlgorithmRegistry.standard.algorithm(named: name)
        for dataset in ["PACS", "DomainNet", "RotatedMNIST"] {
            for draw in 0..<20 {
                let settings = HyperparameterSearch(algorithm, dataset: dataset).settings(draw: draw, trial: 1)
                let drawn = settings.algorithm.reduce(JSONValue.object([:])) {
                    $0.overlaid(by: JSONValue($1.value, at: $1.key))
                }
                #expect(throws: Never.self) { try algorithm.resolved(drawn) }
                #expect(!settings.algorithm.values.contains(.null))
            }
        }
    }
}
