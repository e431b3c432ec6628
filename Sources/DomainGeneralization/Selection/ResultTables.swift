/// Mean and standard error of an accuracy over trials, in percent.
public struct ResultCell: Sendable, Equatable {
    /// The mean over trials, in percent.
    public let mean: Double
    /// The standard error: the population's standard deviation by the root of the number of trials, as DomainBed's.
    public let error: Double
    /// How many trials it is over.
    public let trials: Int

    /// - Parameter accuracies: one a trial, in 0…1; nil for none.
    init?(_ accuracies: [Double]) {
        guard !accuracies.isEmpty else { return nil }
        trials = accuracies.count
        mean = 100 * numpyMean(accuracies)
        let root = Double(accuracies.count).squareRoot()
        error = 100 * numpyDeviation(accuracies.map { $0 / root })
    }
}

/// Algorithms in rows, environments (or data sets) in columns.
public struct ResultTable: Sendable, Equatable {
    /// One algorithm in a table.
    public struct Row: Sendable, Equatable {
        /// The algorithm, or the variant's name.
        public let algorithm: String
        /// Accuracies by column; nil where runs are missing.
        public let cells: [ResultCell?]

        /// The mean of the cells; nil when one is missing.
        public var average: Double? {
            let means = cells.compactMap { $0?.mean }
            return means.count == cells.count && !means.isEmpty ? means.reduce(0, +) / Double(means.count) : nil
        }
    }

    /// The data set, or nil for the averages over data sets.
    public let dataset: String?
    /// The environments' or data sets' names.
    public let columns: [String]
    /// The algorithms, DomainBed's first and in its order.
    public let rows: [Row]
}

/// All tables of a sweep by one way of choosing the model.
public struct ResultSection: Sendable, Equatable {
    /// The way of choosing the model.
    public let selection: ModelSelection
    /// The tables, one for each data set.
    public let tables: [ResultTable]
    /// Data sets in columns; errors are over the trials' means.
    public let averages: ResultTable
}

/// The tables of a sweep: what DomainBed's `collect_results` computes.
public struct ResultReport: Sendable, Equatable {
    /// Number of records that were read.
    public let recordCount: Int
    /// One a way of choosing the model.
    public let sections: [ResultSection]

    /// Makes all tables of some records.
    /// - Parameters:
    ///   - knownOnly: leaves out data sets that DomainBed does not know, as its own script does.
    /// - Throws: `UserError` for a record that lacks a number.
    public init(
        _ records: [ResultRecord], selections: [ModelSelection] = ModelSelection.allCases, knownOnly: Bool = false
    ) throws {
        recordCount = records.count
        let algorithms = DomainBedNames.ordered(records.map(\.algorithm), as: DomainBedNames.algorithms)
        let datasets = DomainBedNames.ordered(records.map(\.dataset), as: DomainBedNames.datasets.map(\.name))
            .filter { !knownOnly || DomainBedNames.environments(of: $0) != nil }
        let groups = Group.all(of: records)
        sections = try selections.map { selection in
            let results = try groups.compactMap { group -> GroupResult? in
                guard let accuracy = try selection.accuracy(group.records, environment: group.environment) else {
                    return nil
                }
                return GroupResult(group: group, accuracy: accuracy)
            }
            let tables = datasets.map { dataset in
                let columns = Self.columns(dataset, records)
                return ResultTable(
                    dataset: dataset, columns: columns,
                    rows: algorithms.map { algorithm in
                        let own = results.filter { $0.group.dataset == dataset && $0.group.algorithm == algorithm }
                        let cells = columns.indices.map { environment in
                            ResultCell(own.filter { $0.group.environment == environment }.map(\.accuracy))
                        }
                        return ResultTable.Row(algorithm: algorithm, cells: cells)
                    })
            }
            let averages = ResultTable(
                dataset: nil, columns: datasets,
                rows: algorithms.map { algorithm in
                    let cells = datasets.map { dataset in
                        let own = results.filter { $0.group.dataset == dataset && $0.group.algorithm == algorithm }
                        let trials = Set(own.map(\.group.trial)).sorted()
                        return ResultCell(
                            trials.map { trial in
                                numpyMean(own.filter { $0.group.trial == trial }.map(\.accuracy))
                            })
                    }
                    return ResultTable.Row(algorithm: algorithm, cells: cells)
                })
            return ResultSection(selection: selection, tables: tables, averages: averages)
        }
    }

    /// The environments' names: DomainBed's labels, else the records' domains, else numbers.
    private static func columns(_ dataset: String, _ records: [ResultRecord]) -> [String] {
        if let known = DomainBedNames.environments(of: dataset) { return known }
        let own = records.filter { $0.dataset == dataset }
        if let domains = own.lazy.compactMap(\.domains).first { return domains }
        return (own.map(\.environments.count).max().map { 0..<$0 } ?? 0..<0).map(String.init)
    }

    private struct Group {
        let trial: Int
        let dataset: String
        let algorithm: String
        let environment: Int
        var records: [ResultRecord]

        /// Records by trial, data set, algorithm and held-out environment, in the order of their first occurrence. One
        /// with several held-out environments is in several groups.
        static func all(of records: [ResultRecord]) -> [Group] {
            var groups: [Group] = []
            var places: [String: Int] = [:]
            for record in records {
                for environment in record.testEnvironments {
                    let key = "\(record.trial)\n\(record.dataset)\n\(record.algorithm)\n\(environment)"
                    if let place = places[key] {
                        groups[place].records.append(record)
                    } else {
                        places[key] = groups.count
                        groups.append(
                            Group(
                                trial: record.trial, dataset: record.dataset, algorithm: record.algorithm,
                                environment: environment, records: [record]))
                    }
                }
            }
            return groups
        }
    }

    private struct GroupResult {
        let group: Group
        let accuracy: Double
    }
}
