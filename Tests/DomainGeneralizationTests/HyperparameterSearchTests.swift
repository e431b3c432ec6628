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
        #expect(
            values.mapValues(\.double) == record.values.mapValues(\.double),
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

            static let search = [
                SearchRange("lambda", .power(10, -2, 2)),
                SearchRange("weightDecayD", as: "weight_decay_d", .power(10, -6, -2)),
                SearchRange("steps", as: "d_steps_per_g_step", .wholePower(2, 0, 3)),
                SearchRange("penalty", as: "grad_penalty", .power(10, -2, 1)),
                SearchRange("beta1", .choice([0, 0.5])),
                SearchRange("width", as: "mlp_width", .wholePower(2, 6, 10)),
                SearchRange("depth", as: "mlp_depth", .choice([3, 4, 5])),
                SearchRange("dropout", as: "mlp_dropout", .choice([0, 0.1, 0.5])),
                SearchRange("learningRateG", as: "lr_g", .power(10, -5, -3.5))
                    .on(.smallImages, default: .double(1e-3), .power(10, -4.5, -2.5)),
                SearchRange("learningRateD", as: "lr_d", .power(10, -5, -3.5))
                    .on(.smallImages, default: .double(1e-3), .power(10, -4.5, -2.5)),
                SearchRange("weightDecayG", as: "weight_decay_g", .power(10, -6, -2))
                    .on(.smallImages, .constant(.double(0))),
            ]
        }
        struct Fishr: Hyperparameters {
            var lambda = 1000.0
            var annealSteps = 1500
            var ema = 0.95

            static let search = [
                SearchRange("lambda", .power(10, 1, 4)),
                SearchRange("annealSteps", as: "penalty_anneal_iters", .wholeUniform(0, 5000)),
                SearchRange("ema", .uniform(0.90, 0.99)),
            ]
        }
        struct ARM: Hyperparameters {
            static let search = [
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
                #expect(throws: Never.self) { try algorithm.resolved(.object(settings.algorithm)) }
                #expect(!settings.algorithm.values.contains(.null))
            }
        }
    }
}
