import Foundation
import Foundations

/// A checkpoint of a run of a sweep: a line of `results.jsonl`, ours or DomainBed's.
public struct ResultRecord: Sendable {
    /// The algorithm's name.
    public let algorithm: String
    /// The data set's name, as DomainBed calls it where it knows it.
    public let dataset: String
    /// The held-out environments, counted from 0.
    public let testEnvironments: [Int]
    /// Seeds the splits; accuracies are averaged over trials.
    public let trial: Int
    /// The number of the draw of hyperparameters; 0 for the defaults.
    public let draw: Int
    /// The step of the checkpoint.
    public let step: Int
    /// The checkpoint's scores.
    public let row: CheckpointRow
    /// Whether the held-out environments' *in* parts were trained on, too.
    public let isOracle: Bool
    /// The domains' names, where the record has them: ours do.
    public let domains: [String]?
    /// Where it stands: file and line.
    public let source: String

    /// A record of the values of a line.
    /// - Parameter source: file and line, for errors.
    /// - Throws: `UserError` for a record that lacks what a table needs.
    public init(_ values: [String: JSONValue], source: String) throws {
        let row = CheckpointRow(values)
        func required<Value>(_ key: String, _ value: Value?) throws -> Value {
            guard let value else {
                throw UserError(
                    "\(source): no usable \"\(key)\" in the record; is it written by 'domainfusion' or DomainBed?")
            }
            return value
        }
        algorithm = try required("args.algorithm", row.argument(.algorithm)?.string)
        dataset = try required("args.dataset", row.argument(.dataset)?.string)
        let held = row.argument(.testEnvironments)?.array
        testEnvironments = try required(
            "args.test_envs", held.map { $0.compactMap(\.int) }.flatMap { $0.allSatisfy { $0 >= 0 } ? $0 : nil })
        trial = try required("args.trial_seed", row.argument(.trial)?.int)
        draw = try required("args.hparams_seed", row.argument(.draw)?.int)
        step = try required("step", values["step"]?.int)
        isOracle = row.argument(.oracle) == .bool(true)
        domains = row.argument(.domains)?.array?.compactMap(\.string)
        self.row = row
        self.source = source
    }

    /// The record of the averaged model that a run has made beside its checkpoints, under a name of its own: "ERM + SWAD".
    var averaged: ResultRecord? {
        guard let average = row.average, case .object(var arguments) = row.values["args"] else { return nil }
        let method = row.argument(.average)?.string ?? "average"
        arguments[RunArguments.Key.algorithm.rawValue] = .string("\(algorithm) + \(method.uppercased())")
        var values = average.values
        values["args"] = .object(arguments)
        return try? ResultRecord(values, source: source)
    }

    /// The environments: those that are named, or else as many as have validation accuracies.
    public var environments: Range<Int> {
        if let domains { return 0..<domains.count }
        var count = 0
        while row.validationAccuracy(count) != nil { count += 1 }
        return 0..<count
    }

    /// Accuracy on a held-out environment: on its *in* part, as DomainBed has it; of an oracle on its *out* part, which it was
    /// not trained on.
    /// - Throws: `UserError` where the record has none.
    func heldOut(_ environment: Int) throws -> Double {
        try number(ScoreKey(environment: environment, isOracle ? .validation : .training, .accuracy))
    }
    /// Accuracy on an environment's *out* part. - Throws: `UserError` where the record has none.
    func validation(_ environment: Int) throws -> Double {
        try number(ScoreKey(environment: environment, .validation, .accuracy))
    }

    private func number(_ key: ScoreKey) throws -> Double {
        guard let value = row[key.name] else { throw UserError("\(source): no number \"\(key.name)\" in the record") }
        return value
    }

    /// The records of a file.
    ///
    /// A last line that was cut off, as a crash leaves it, ends the file with a warning.
    /// - Throws: `UserError` for a file that cannot be read, another line that is no JSON object, or a record that
    ///   lacks what a table needs.
    public static func read(_ path: String, warn: (String) -> Void) throws -> [ResultRecord] {
        try RunSeal.check(FilePath.name(of: path), in: FilePath.folder(of: path))
        guard let data = Files.contents(path) else {
            throw UserError("\(path): cannot be read; check its permissions")
        }
        var records: [ResultRecord] = []
        let lines = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)
        for (index, line) in lines.enumerated() {
            guard case .object(let values) = JSONValue(json: line) else {
                guard index == lines.count - 1, data.last != UInt8(ascii: "\n") else {
                    throw UserError(
                        "\(path): line \(index + 1) is no JSON object; restore the file, or remove the line")
                }
                warn("\(path): the last line is cut off; read up to it")
                break
            }
            records.append(try ResultRecord(values, source: "\(path): line \(index + 1)"))
        }
        return records
    }

    /// Tells of two runs that tables cannot tell apart: they differ in settings that no table shows.
    private static func warnOfTwins(_ records: [ResultRecord], warn: (String) -> Void) {
        var files: [String: Set<String>] = [:]
        for record in records {
            let file = String(record.source.prefix { $0 != ":" })
            let run = [
                record.algorithm, record.dataset, "\(record.testEnvironments)", "\(record.trial)", "\(record.draw)",
            ]
            files[run.joined(separator: "\n"), default: []].insert(file)
        }
        for twins in files.values.map({ $0.sorted() }).filter({ $0.count > 1 }).sorted(by: { $0[0] < $1[0] }) {
            warn(
                "\(twins[0]) and \(twins[1]): the same method, domains, seed and draw with other settings; tables mix them, so "
                    + "keep each sweep in a folder of its own")
        }
    }

    /// The records of all runs in a folder: of every `<folder>/<run>/results.jsonl`.
    /// - Throws: as ``read(folders:nested:warn:)``.
    public static func read(folder: String, nested: Bool, warn: (String) -> Void) throws -> [ResultRecord] {
        try read(folders: [folder], nested: nested, warn: warn)
    }

    /// The records of all runs in folders.
    /// - Parameters:
    ///   - nested: also of runs deeper in the folder, of a run in the folder itself, and of averaged models, as our own
    ///     runs have them.
    ///   - warn: told of what was passed over.
    /// - Throws: `UserError` for a folder without a record, and what ``read(_:warn:)`` throws.
    public static func read(folders: [String], nested: Bool, warn: (String) -> Void) throws -> [ResultRecord] {
        var files: [String] = []
        func look(_ path: String, depth: Int) throws {
            guard let names = Files.names(in: path) else { return }
            if !names.contains("results.jsonl") { try RunSeal.check("results.jsonl", in: path) }
            for name in names {
                let child = "\(path)/\(name)"
                let isFolder = Files.isFolder(child)
                if isFolder, depth < (nested ? 4 : 1), !name.hasPrefix(".") {
                    try look(child, depth: depth + 1)
                } else if !isFolder, name == "results.jsonl", nested || depth == 1 {
                    files.append(child)
                }
            }
        }
        for folder in folders {
            guard Files.exists(folder) else {
                throw UserError("\(folder): no such folder; give the one that holds the runs' folders")
            }
            try look(folder, depth: 0)
        }
        var records = try files.flatMap { try read($0, warn: warn) }
        warnOfTwins(records, warn: warn)
        if nested { records += records.compactMap(\.averaged) }
        guard !records.isEmpty else {
            let place = folders.joined(separator: ", ")
            throw UserError("\(place): no record in it; a run's folder has a results.jsonl once it has been evaluated")
        }
        return records
    }
}
