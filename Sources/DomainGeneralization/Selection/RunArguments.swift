import Foundations

/// What a row's `args` say of its run: the arguments that DomainBed's tables need, and ours.
public struct RunArguments: Sendable {
    /// The members of `args`.
    enum Key: String {
        case algorithm, dataset, steps, seed, task, average, domains, oracle
        case data = "data_dir"
        case output = "output_dir"
        case testEnvironments = "test_envs"
        case draw = "hparams_seed"
        case trial = "trial_seed"
        case holdoutFraction = "holdout_fraction"
        case adaptationFraction = "uda_holdout_fraction"
        case evaluateEvery = "checkpoint_freq"
    }

    private let members: [(Key, JSONValue)]

    /// What a row says of the run that it belongs to.
    /// - Parameters:
    ///   - draw: the number of the draw of hyperparameters; 0 for the defaults.
    ///   - average: the method that makes a second, averaged model: `none`, `ema`, `swa`, `swad`.
    ///   - domains: the environments' names.
    ///   - isOracle: whether the held-out environments were trained on, too.
    public init(
        algorithm: String, dataset: String, data: String, output: String, testEnvironments: [Int], draw: Int,
        seed: Int, holdoutFraction: Double, adaptationFraction: Double, steps: Int, evaluateEvery: Int,
        average: String, domains: [String], isOracle: Bool
    ) {
        members = [
            (.algorithm, .string(algorithm)), (.dataset, .string(dataset)), (.data, .string(data)),
            (.output, .string(output)), (.testEnvironments, JSONValue(testEnvironments)), (.draw, .int(draw)),
            (.trial, .int(seed)), (.seed, .int(seed)), (.holdoutFraction, .double(holdoutFraction)),
            (.adaptationFraction, .double(adaptationFraction)), (.steps, .int(steps)),
            (.evaluateEvery, .int(evaluateEvery)), (.task, "domain_generalization"), (.average, .string(average)),
            (.domains, JSONValue(domains)), (.oracle, .bool(isOracle)),
        ]
    }

    /// The arguments as the member `args` of a row.
    public var json: JSONValue {
        .object(Dictionary(uniqueKeysWithValues: members.map { ($0.0.rawValue, $0.1) }))
    }
}

extension CheckpointRow {
    /// A member of `args`.
    func argument(_ key: RunArguments.Key) -> JSONValue? { values["args"]?[key.rawValue] }
}
