import DomainFusion
import DomainGeneralization
import Foundation
import Foundations

/// The folder of an evaluation that asks a diffusion model: tables read it as that of a run.
///
/// It holds `evaluation.json` (what everything depends on, then the result), `ledger.json` (what the diffusion model was asked for, by
/// all processes that were at it), `predictions.jsonl`, and of a run's own data set the rest of a run's files, too: `config.yaml`,
/// `classes.json`, `results.jsonl`, `summary.json` and `done`.
final class EvaluationRecord {
    static let file = "evaluation.json"

    let folder: String
    /// What the diffusion model was asked for in this folder.
    var ledger: Ledger
    private let inputs: JSONValue
    private let lock: FolderLock

    /// Begins an evaluation, or goes on with it.
    /// - Parameters:
    ///   - inputs: all that the result depends on.
    ///   - option: what names the folder, for errors.
    ///   - restart: forgets an evaluation that is there.
    /// - Throws: `UserError` for a folder that holds something else, or an evaluation with other inputs.
    init(_ folder: String, inputs: JSONValue, option: String, restart: Bool = false) throws {
        self.folder = folder
        self.inputs = inputs
        let path = "\(folder)/\(Self.file)"
        if restart, Files.exists(path) {
            for name in [
                "done", "results.jsonl", "summary.json", "predictions.jsonl", "config.yaml", "ledger.json",
                TrackingRecord.file,
            ] {
                Files.remove("\(folder)/\(name)")
            }
            Files.remove(path)
        }
        if let data = Files.contents(path) {
            guard let found = JSONValue(json: data)?["inputs"] else {
                throw UserError("\(path): damaged; restore it, or choose another folder with \(option)")
            }
            let (own, others) = (inputs.flattened(), found.flattened())
            if let name = Set(own.keys).union(others.keys).sorted().first(where: { own[$0] != others[$0] }) {
                throw UserError(
                    "\(folder): holds an evaluation with another \(name) (\(others[name]?.text ?? "none") there, "
                        + "\(own[name]?.text ?? "none") now); choose another folder with \(option)")
            }
        } else if Files.exists("\(folder)/config.yaml") {
            throw UserError("\(folder): holds a run; choose another folder with \(option)")
        }
        try AtomicFile.makeFolder(folder)
        lock = try FolderLock(folder, option: option)
        // What is sealed may change from here on.
        Files.remove("\(folder)/done")
        ledger = try Ledger(path: "\(folder)/ledger.json")
        if !Files.exists(path) { try write(JSONValue.object(["inputs": inputs]).text + "\n", to: Self.file) }
    }

    private func write(_ text: String, to name: String) throws {
        try lock.check()
        try AtomicFile.write(text, to: "\(folder)/\(name)")
    }

    /// Keeps what the diffusion model has been asked for so far.
    func writeLedger() throws { try ledger.write(to: "\(folder)/ledger.json") }

    /// Ends the evaluation.
    /// - Parameters:
    ///   - generated: images that it used, made now or found in the store.
    ///   - predictions: of items of `domains`.
    ///   - run: the settings that tables show it under, its algorithm and the step of its model; nil for another data set than the
    ///     run's.
    /// - Throws: a one-line error when a file cannot be written.
    func finish(
        _ result: JSONValue, generated: Int, predictions: [Prediction], domains: RunDomains,
        run: (configuration: RunConfiguration, algorithm: AlgorithmDescription, step: Int)?
    ) throws {
        ledger.use(round: 1, generated: generated, composed: 0)
        try writeLedger()
        try write(domains.lines(predictions), to: "predictions.jsonl")
        try write(JSONValue.object(["inputs": inputs, "result": result]).text + "\n", to: Self.file)
        guard let (configuration, algorithm, step) = run else { return }
        let search = HyperparameterSearch(algorithm, dataset: domains.dataset.datasetName)
        var values = domains.scores(predictions)
        values["step"] = .int(step)
        values["hparams"] = .object(configuration.domainBedHyperparameters(search))
        values["args"] =
            configuration.arguments(of: algorithm, dataset: domains.dataset, held: domains.held, output: folder).json
        let summary = RunSummary(
            [CheckpointRow(values)], predictions: predictions, configuration: configuration, domains: domains,
            totals: ["images_generated": Double(generated)])
        try write(YAML.text(try JSONValue(encoding: configuration)), to: "config.yaml")
        try write(JSONValue(encoding: domains.dataset.classes).text + "\n", to: "classes.json")
        try write(JSONValue.object(values).text + "\n", to: "results.jsonl")
        try write(JSONValue(encoding: summary).text + "\n", to: "summary.json")
        try RunSeal.write(folder)
    }
}
