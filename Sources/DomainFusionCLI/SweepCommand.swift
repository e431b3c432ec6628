import ArgumentParser
import DomainGeneralization
import Experiments
import Foundation
import Foundations
import Torch

struct SweepCommand: AsyncParsableCommand {
    enum Launcher: String, CaseIterable, ExpressibleByArgument {
        case local, slurm, kubernetes
        case dryRun = "dry-run"
    }

    static let configuration = CommandConfiguration(
        commandName: "sweep",
        abstract: "Train algorithms on data sets with every domain held out in turn, several seeds and draws each.",
        discussion: """
            A sweep is a folder of runs. The same command again skips what is done, goes on with what was interrupted and \
            tries again what failed, wherever the data lie by then; a run that fails is named with its reason and does \
            not stop the others. 'domainfusion report' makes tables of the folder at any time.

            --launcher local runs as many processes at a time as --jobs says (on GPUs: one on each); slurm writes a job \
            array, kubernetes an Indexed Job; dry-run prints the runs and their state.

            Examples:
              domainfusion sweep --dataset EmojiDG --algorithms ERM,CORAL --trials 3 --output runs/sweep
              domainfusion sweep --dataset PACS,VLCS --algorithms ERM --preset domainbed-2020 --draws 20 \\
                --test-domains pairs --launcher slurm --jobs 40
              domainfusion sweep --dataset PACS --algorithms ERM --launcher kubernetes --jobs 8 --gpus 1 \\
                --container registry.example/domainfusion:0.3 --claim work=/work
            """)

    @Option(
        name: [.customLong("dataset"), .customLong("datasets")], parsing: .singleValue,
        help: ArgumentHelp(
            "Data sets' names or folders, with commas or by repeating the option.", valueName: "datasets"),
        completion: .directory)
    var datasets: [String]

    @Option(
        name: [.customLong("algorithms"), .customLong("algorithm")], help: "Algorithms, with commas.",
        completion: .algorithms)
    var algorithms: String?

    @Option(
        help: ArgumentHelp(
            "A YAML file of variants to compare: names, and settings as in a run's config.yaml, the algorithm's name among "
                + "them.", valueName: "file"), completion: .file(extensions: ["yaml", "yml"]))
    var variants: String?

    @Option(
        name: [.customLong("test-domains"), .customLong("test-domain")], parsing: .singleValue,
        help: ArgumentHelp(
            "each: every domain in turn; pairs: also every pair, which leave-one-domain-out validation needs; or domains' "
                + "names with commas, or, where a domain has a comma in its name, by repeating the option; all but one (a,b,c) "
                + "is single-source domain generalization.",
            valueName: "domains"), completion: .domains)
    var testDomains = ["each"]

    @Option(help: "Seeds, from 0 on: of the splits, the parameters and the draws.")
    var trials = 3

    @Option(help: "Draws of hyperparameters: the first is the default, the others are random as DomainBed's.")
    var draws = 1

    @Option(help: "The folder in which data sets are looked for.", completion: .directory)
    var dataDir = "data"

    @Option(name: .shortAndLong, help: "The sweep's folder.", completion: .directory)
    var output = "runs/sweep"

    @Option(help: "local, slurm, kubernetes or dry-run.")
    var launcher = Launcher.local

    @Option(help: "Runs at a time; by default one on each GPU, or else one for every two processors.")
    var jobs: Int?

    @OptionGroup var cluster: ClusterOptions

    @OptionGroup var tracking: TrackingOption

    @OptionGroup var threading: ThreadsOption

    @OptionGroup var settings: SettingOptions

    func validate() throws {
        guard algorithms != nil || variants != nil else {
            throw ValidationError("name what to compare: --algorithms ERM,CORAL or --variants FILE")
        }
        for (name, value) in [("--trials", trials), ("--draws", draws), ("--jobs", jobs)] {
            try check(name, value, in: 1...10_000)
        }
        for (name, texts, names) in [
            ("--dataset", datasets, datasetNames),
            ("--algorithms", algorithms.map { [$0] } ?? ["ERM"], algorithms.map(Self.list) ?? ["ERM"]),
            ("--test-domains", testDomains, testDomains.flatMap(Self.list)),
        ] {
            guard !names.isEmpty else {
                throw ValidationError("\(name): '\(texts.joined(separator: "', '"))' names nothing")
            }
            if let twice = names.first(where: { one in names.filter { $0.lowercased() == one.lowercased() }.count > 1 })
            {
                throw ValidationError("\(name): names \(twice) twice")
            }
        }
    }

    func run() async throws {
        guard !FilePath.isEscaped(output) else {
            throw UserError(
                "\(output): a name that is not UTF-8, which the sweep's runs cannot be told; choose another")
        }
        let tracker = try tracking.address()
        let plan = try SweepPlan(
            datasets: datasetNames, directory: dataDir, methods: methods(),
            heldOut: SweepPlan.HeldOut(testDomains), trials: trials, draws: 0..<draws, registry: .all
        ) { data, held, algorithm, seed, draw in
            try settings.configuration(data: data, testDomains: held, algorithm: algorithm, seed: seed, draw: draw)
        }
        var names: Set<String> = []
        if let twin = plan.members.first(where: { !names.insert($0.name).inserted }) {
            throw UserError("two runs of the sweep are called \(twin.name); give the variants other names")
        }
        let open = plan.members.filter { $0.state(in: output) != .done }
        printError("\(output): \(plan.members.count) runs, \(plan.members.count - open.count) of them done")
        let processors = ProcessInfo.processInfo.activeProcessorCount
        let gpus = settings.placement.name == "auto" ? Device.count(.cuda) : 0
        let jobs = jobs ?? max(1, gpus > 0 ? gpus : processors / 2)
        let threads = threading.threads ?? ([.slurm, .kubernetes].contains(launcher) ? 4 : max(1, processors / jobs))
        if launcher != .dryRun {
            // Once, and here: a job's machine may have no network.
            for member in open { try member.configuration.requireModel() }
            for member in open { try ModelDownload.fetchIfMissing(for: member.configuration) }
        }
        switch launcher {
        case .dryRun:
            for member in plan.members { print("\(member.name): \(Self.describe(member.state(in: output)))") }
        case .slurm, .kubernetes:
            guard !open.isEmpty else { return print("nothing is left to run") }
            let tasks = JobTasks(open, folder: output, threads: threads, tracker: tracker)
            print(
                launcher == .slurm
                    ? try cluster.slurm(tasks, jobs: jobs, threads: threads)
                    : try cluster.kubernetes(tasks, jobs: jobs, threads: threads))
        case .local:
            let devices = gpus > 0 ? (0..<gpus).map { "cuda:\($0)" } : []
            try runLocally(
                open,
                LocalLauncher(
                    program: Self.program, folder: output, jobs: jobs, threads: threads, devices: devices,
                    tracker: tracker))
        }
    }

    private func methods() throws -> [SweepMethod] {
        try (algorithms.map(Self.list) ?? []).map(SweepMethod.init(algorithm:))
            + (variants.map(SweepMethod.variants) ?? [])
    }

    private func runLocally(_ members: [SweepMember], _ launcher: LocalLauncher) throws {
        Interruption.watch()
        let counter = Counter(members.count)
        let waiting = Waiting()
        let folder = output
        let outcomes = try launcher.run(members) { event in
            if case .waiting(let member) = event { waiting.show(member.name) }
            guard case .ended(let member, let outcome) = event else { return }
            let place = counter.next()
            switch outcome {
            case .done: printError("[\(place)] \(member.name): \(Self.result(of: member, in: folder))")
            case .failed(let reason): printError("[\(place)] \(member.name): failed: \(reason)")
            case .interrupted: printError("[\(place)] \(member.name): interrupted, its state is saved")
            }
        }
        if let interruption = Interruption.current {
            printError("\(interruption): the same command goes on from there")
            throw ExitCode(interruption.exitStatus)
        }
        let records = try? ResultRecord.read(folder: folder, nested: true) { printError("warning: \($0)") }
        if let records { printText(try ResultReport(records).text()) }
        let failed = zip(members, outcomes).compactMap { member, outcome -> String? in
            if case .failed(let reason) = outcome { "\(member.name): \(reason)" } else { nil }
        }
        guard failed.isEmpty else {
            for line in failed.dropFirst() { printError("failed: \(line)") }
            throw UserError(
                "\(failed.count) of \(members.count) runs failed, first \(failed[0]); the same command tries them again"
            )
        }
    }

    private static func result(of member: SweepMember, in folder: String) -> String {
        guard let data = Files.contents("\(folder)/\(member.name)/summary.json"),
            let summary = try? JSONDecoder().decode(RunSummary.self, from: data)
        else { return "done" }
        let accuracies = summary.testDomains.map {
            "\($0) \(ResultText.percent(summary.selected.targets[$0]?.accuracy))"
        }
        return "done, accuracy on \(accuracies.joined(separator: ", "))"
    }

    private static func describe(_ state: SweepMember.State) -> String {
        switch state {
        case .new: "to be run"
        case .unfinished: "begun, goes on from its last checkpoint"
        case .failed(let reason): "failed, is tried again: \(reason)"
        case .done: "done"
        }
    }

    /// A folder with commas in its name stands for itself.
    private var datasetNames: [String] { datasets.flatMap { Files.isFolder($0) ? [$0] : Self.list($0) } }

    private static func list(_ text: String) -> [String] {
        text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }

    /// This program's own path.
    static var program: String {
        Bundle.main.executablePath ?? URL(fileURLWithPath: CommandLine.arguments[0]).path
    }

    /// Tells once of each member that another process trains.
    private final class Waiting: @unchecked Sendable {  // the variable is guarded by the lock
        private let lock = NSLock()
        private var told: Set<String> = []

        func show(_ name: String) {
            guard lock.withLock({ told.insert(name).inserted }) else { return }
            printError("\(name): another process trains it; it is looked at again when the others are done")
        }
    }

    /// Counts members that have ended, from several threads.
    private final class Counter: @unchecked Sendable {  // the variable is guarded by the lock
        private let lock = NSLock()
        private let total: Int
        private var count = 0

        init(_ total: Int) { self.total = total }

        func next() -> String {
            lock.withLock {
                count += 1
                return "\(count)/\(total)"
            }
        }
    }
}
