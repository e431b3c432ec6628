import DomainGeneralization
import Foundations

/// A data set as a run divides it: the domains that are trained on and held out, and what each item is for.
struct RunDomains {
    let dataset: ImageFolder
    let split: Split
    /// The domains that are trained on; of an oracle all.
    let trained: [Int]
    /// The held-out domains.
    let held: [Int]

    /// The domains that are not held out, whether or not others are trained on.
    var notHeld: [Int] { dataset.environments.indices.filter { !held.contains($0) } }

    /// The held-out domains' names.
    var heldNames: [String] { held.map { dataset.environments[$0] } }

    /// The items whose predictions a run keeps, part by part: those that were not trained on, and the held-out domains'.
    var predictedParts: [[Int]] {
        dataset.environments.indices.flatMap { environment in
            [split.validation[environment], split.unseen[environment]]
                + (held.contains(environment) ? [split.training[environment]] : [])
        }
    }

    /// `predictions.jsonl`.
    func lines(_ predictions: [Prediction]) -> String {
        predictions.sorted { $0.item < $1.item }.map { prediction in
            let item = dataset.items[prediction.item]
            let line = JSONValue.object([
                "image": .string(dataset.relativePath(of: item)),
                "domain": .string(dataset.environments[item.environment]), "unseen": .bool(item.isUnseen),
                "class": .string(dataset.classes[prediction.label]),
                "predicted": .string(dataset.classes[prediction.predicted]), "loss": .double(prediction.loss),
                "confidence": .double(prediction.confidence),
            ])
            return line.text + "\n"
        }.joined()
    }

    /// Scores under the keys of a row, of the parts whose items were all predicted.
    func scores(_ predictions: [Prediction]) -> [String: JSONValue] {
        let byItem = Dictionary(uniqueKeysWithValues: predictions.map { ($0.item, $0) })
        var result: [String: JSONValue] = [:]
        for environment in dataset.environments.indices {
            let parts: [(ScoreKey.Part, [Int])] = [
                (.training, split.training[environment]), (.validation, split.validation[environment]),
                (.unseen, split.unseen[environment]),
            ]
            for (part, items) in parts {
                let found = items.compactMap { byItem[$0] }
                guard found.count == items.count else { continue }
                let score = Score(predictions: found)
                for (measure, value) in [
                    (ScoreKey.Measure.accuracy, score.accuracy), (.meanClassAccuracy, score.meanClassAccuracy),
                    (.loss, score.loss),
                ] {
                    result[ScoreKey(environment: environment, part, measure).name] = value.map(JSONValue.double)
                }
            }
        }
        return result
    }
}

extension RunDomains {
    init(_ context: AlgorithmContext) {
        self.init(
            dataset: context.dataset, split: context.split, trained: context.sourceEnvironments,
            held: context.testEnvironments)
    }

    /// The division that a run's settings make.
    /// - Throws: `UserError` for a held-out domain that the data set has not.
    init(_ configuration: RunConfiguration, of dataset: ImageFolder) throws {
        let held = try Set(configuration.testDomains.map(dataset.environment(named:))).sorted()
        self.init(
            dataset: dataset, split: configuration.split(of: dataset, held: held),
            trained: dataset.environments.indices.filter { configuration.oracle || !held.contains($0) }, held: held)
    }

    /// A data set of which nothing is trained on or held out.
    init(whole dataset: ImageFolder) {
        self.init(dataset: dataset, split: Split(dataset, trialSeed: 0), trained: [], held: [])
    }
}

extension RunConfiguration {
    /// What the rows of a run with these settings say of it.
    /// - Parameter output: the run's folder.
    func arguments(
        of algorithm: AlgorithmDescription, dataset: ImageFolder, held: [Int], output: String
    ) -> RunArguments {
        RunArguments(
            algorithm: methodName(algorithm.domainBedName), dataset: dataset.datasetName, data: data, output: output,
            testEnvironments: held, draw: draw, seed: seed, holdoutFraction: holdoutFraction,
            adaptationFraction: adaptationFraction, steps: steps, evaluateEvery: evaluateEvery,
            average: averaging.method.rawValue, domains: dataset.environments, isOracle: oracle)
    }
}
