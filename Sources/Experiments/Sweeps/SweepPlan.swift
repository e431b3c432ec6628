import DomainGeneralization
import Foundation
import Foundations

/// The runs of a sweep: algorithms or variants of them × data sets × held-out domains × trials × draws of hyperparameters.
public struct SweepPlan: Sendable {
    /// Which domains are held out.
    public enum HeldOut: Sendable, Equatable {
        /// Each domain in turn, the protocol of most papers.
        case each
        /// Each domain, and each pair of domains, which leave-one-domain-out validation needs.
        case pairs
        /// These domains together, in every run.
        case domains([String])

        /// Reads what a user asks to hold out.
        /// - Parameter texts: `each`, `pairs`, or names as ``DomainNames`` takes them.
        public init(_ texts: [String]) {
            switch texts {
            case ["each"]: self = .each
            case ["pairs"]: self = .pairs
            default: self = .domains(texts)
            }
        }

        /// The sets of domains that are held out of a data set.
        /// - Throws: `UserError` for a name that is no domain of it.
        func sets(_ dataset: ImageFolder) throws -> [[String]] {
            let names = dataset.environments
            switch self {
            case .each: return names.map { [$0] }
            case .pairs:
                let pairs = names.indices.flatMap { first in
                    names.indices.filter { $0 > first }.map { [names[first], names[$0]] }
                }
                guard names.count > 2 else {
                    throw UserError(
                        "\(dataset.root): two domains; with a pair held out none is left to train on, use --test-domains each"
                    )
                }
                return names.map { [$0] } + pairs
            case .domains(let chosen):
                return try DomainNames.list(chosen, known: names).map { [names[try dataset.environment(named: $0)]] }
            }
        }
    }

    /// The runs, in the order in which they are started.
    public let members: [SweepMember]
    private static let mostMembers = 100_000

    /// Lists all runs; nothing is trained.
    /// - Parameters:
    ///   - datasets: folders or names of data sets.
    ///   - directory: where names are looked for.
    ///   - methods: the algorithms, or variants of them.
    ///   - trials: how many seeds, from 0 on.
    ///   - draws: the numbers of draws; 0 is the default.
    ///   - configure: the settings of a run, of a data set's folder, the held-out domains, an algorithm, a seed, a draw.
    /// - Throws: `UserError` for a data set, an algorithm or a domain that does not exist, for draws that differ in nothing,
    ///   and what `configure` throws.
    public init(
        datasets: [String], directory: String, methods: [SweepMethod], heldOut: HeldOut, trials: Int, draws: Range<Int>,
        registry: AlgorithmRegistry,
        configure: (_ data: String, _ held: [String], _ algorithm: String, _ seed: Int, _ draw: Int) throws ->
            RunConfiguration
    ) throws {
        let known = try methods.map { try registry.algorithm(named: $0.algorithm) }
        let folders = try datasets.map { try ImageFolder(KnownDataset.resolve($0, directory: directory)) }
        let sets = try folders.reduce(0) { try $0 + heldOut.sets($1).count }
        guard trials <= Self.mostMembers, draws.count <= Self.mostMembers,
            trials * draws.count <= Self.mostMembers / max(1, sets * methods.count)
        else {
            throw UserError("more than \(Self.mostMembers) runs; take fewer trials, draws or algorithms in one sweep")
        }
        var members: [SweepMember] = []
        for trial in 0..<trials {
            for folder in folders {
                for (method, algorithm) in zip(methods, known) {
                    for held in try heldOut.sets(folder) {
                        var before: RunConfiguration?
                        for draw in draws {
                            var run = try configure(folder.root, held, algorithm.name, trial, draw)
                            if !method.variant.isEmpty {
                                run = try run.changed(by: method.changes, source: method.source)
                                run.variant = method.variant
                            }
                            try run.validate()
                            run.algorithm.hyperparameters = try algorithm.resolved(run.algorithm.hyperparameters)
                            run = try Additions.resolved(run)
                            before?.draw = draw
                            guard before != run else {
                                throw UserError(
                                    "\(draws.count) draws: the settings given fix all that a draw changes; take learningRate, "
                                        + "batchSize and the like out of the file, or draw once")
                            }
                            before = run
                            members.append(
                                try SweepMember(run, dataset: folder.datasetName, defaults: algorithm.defaults))
                        }
                    }
                }
            }
        }
        self.members = members
    }
}
