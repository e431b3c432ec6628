import DomainGeneralization
import Foundation
import Foundations
import TestSupport
import Testing

@testable import Experiments

struct SweepTests {
    let folder: TemporaryFolder
    let data: String

    init() throws {
        folder = try TemporaryFolder()
        data = try folder.makeDataset(count: 4)
    }

    private func plan(
        _ algorithms: [String] = ["ERM", "FourierMix"], datasets: [String] = ["set"], held: SweepPlan.HeldOut = .each,
        trials: Int = 2, draws: Int = 1, directory: String? = nil, variants: [SweepMethod] = [],
        change: (inout RunConfiguration) -> Void = { _ in }
    ) throws -> SweepPlan {
        try SweepPlan(
            datasets: datasets, directory: directory ?? folder.path,
            methods: algorithms.map(SweepMethod.init) + variants, heldOut: held,
            trials: trials,
            draws: 0..<draws, registry: .standard
        ) { data, held, algorithm, seed, draw in
            var run = RunConfiguration()
            run.data = data
            run.testDomains = held
            run.algorithm.name = algorithm
            run.seed = seed
            run = try run.drawing(draw, registry: .standard)
            change(&run)
            return run
        }
    }

    @Test func crossesEverything() throws {
        let members = try plan(draws: 3).members
        #expect(members.count == 2 * 3 * 2 * 3)
        #expect(Set(members.map(\.name)).count == members.count)
        #expect(Set(members.map(\.configuration.seed)) == [0, 1])
        #expect(members[0].name.hasPrefix("set-ERM-a-trial0-draw0-"))
        // A draw is another for each trial, and the same for each held-out domain.
        let drawn = members.filter { $0.configuration.draw == 1 && $0.configuration.algorithm.name == "ERM" }
        #expect(Set(drawn.map(\.configuration.learningRate)).count == 2)
        let pairs = try plan(["ERM"], held: .pairs, trials: 1).members.map(\.configuration.testDomains)
        #expect(pairs == [["a"], ["b"], ["c"], ["a", "b"], ["a", "c"], ["b", "c"]])
        #expect(
            try plan(["ERM"], held: .init(["c, a"]), trials: 1).members.map(\.configuration.testDomains) == [
                ["c"], ["a"],
            ])
    }

    @Test func comparesVariants() throws {
        let file = "\(folder.path)/variants.yaml"
        try """
        Mix 30:
          algorithm: {name: FourierMix, hyperparameters: {strength: 0.3}}
        Bound:
          algorithm: {name: ERM}
          oracle: true
        """.write(toFile: file, atomically: true, encoding: .utf8)
        let members = try plan(["ERM"], held: .init(["a"]), trials: 1, variants: SweepMethod.variants(in: file)).members
        #expect(members.map(\.configuration.variant) == ["", "Bound", "Mix 30"])
        #expect(members.map(\.configuration.oracle) == [false, true, false])
        #expect(members[2].configuration.algorithm.name == "FourierMix")
        #expect(members[2].configuration.algorithm.hyperparameters["strength"] == .double(0.3))
        #expect(members[2].name.hasPrefix("set-Mix_30-a-trial0-draw0-"))

        try "Bound: {oracle: true}".write(toFile: file, atomically: true, encoding: .utf8)
        #expect {
            try SweepMethod.variants(in: file)
        } throws: { "\($0)".hasPrefix("\(file).Bound: which algorithm?") }
        try "Bound: {algorithm: {name: ERM}, stepz: 3}".write(toFile: file, atomically: true, encoding: .utf8)
        #expect {
            try plan([], held: .init(["a"]), variants: SweepMethod.variants(in: file))
        } throws: { "\($0)" == "\(file).Bound: unknown setting 'stepz'; did you mean steps?" }
    }

    @Test func namesARunByWhatItsNumbersDependOn() throws {
        let names = try plan(trials: 1).members.map(\.name)
        // Where the data, the store and the device are does not matter, nor how often the run saves and what it holds in
        // memory.
        try FileManager.default.createDirectory(atPath: "\(folder.path)/moved", withIntermediateDirectories: true)
        try FileManager.default.moveItem(atPath: data, toPath: "\(folder.path)/moved/set")
        let moved = try plan(trials: 1, directory: "\(folder.path)/moved") {
            $0.device = "cpu"
            $0.store = "elsewhere"
            $0.saveEvery = 7
            $0.backbone.gradientCheckpointing = true
        }
        #expect(moved.members.map(\.name) == names)
        let other = try plan(trials: 1, directory: "\(folder.path)/moved") { $0.steps = 7 }
        #expect(Set(other.members.map(\.name)).isDisjoint(with: names))
        // The full settings are a member's, with every hyperparameter.
        let mix = try #require(moved.members.first { $0.configuration.algorithm.name == "FourierMix" })
        #expect(mix.configuration.algorithm.hyperparameters["share"] == .double(0.5))
    }

    @Test func knowsWhatIsDone() throws {
        let member = try plan(["ERM"], trials: 1).members[0]
        let sweep = "\(folder.path)/sweep"
        #expect(member.state(in: sweep) == .new)
        let run = "\(sweep)/\(member.name)"
        try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
        // The log alone is no beginning.
        #expect(member.state(in: sweep) == .new)
        try Data().write(to: URL(fileURLWithPath: "\(run)/config.yaml"))
        #expect(member.state(in: sweep) == .unfinished)
        try Data("no memory\n".utf8).write(to: URL(fileURLWithPath: "\(run)/failed"))
        #expect(member.state(in: sweep) == .failed("no memory"))
        try Data("done".utf8).write(to: URL(fileURLWithPath: "\(run)/done"))
        #expect(member.state(in: sweep) == .done)
    }

    @Test func refusesUnknownNames() {
        #expect(throws: UserError("no algorithm 'FourierMx'; did you mean FourierMix?")) { try plan(["FourierMx"]) }
        #expect(throws: UserError("no data set 'sett' in \(folder.path); did you mean set?")) {
            try plan(datasets: ["sett"])
        }
        #expect {
            try plan(datasets: ["pacs"])
        } throws: {
            "\($0)".hasPrefix("PACS is not in \(folder.path); fetch PACS.zip")
                && "\($0)".contains("\(folder.path)/PACS")
        }
        #expect(throws: UserError("\(data): no domain 'sketch'; known: a, b, c")) {
            try plan(held: .domains(["sketch"]))
        }
    }

    /// A domain with a comma in its name needs a text of its own.
    @Test func heldOutDomainsMayHaveCommas() throws {
        for domain in ["a, b", "b"] {
            let path = "\(folder.path)/commas/\(domain)/cat"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try Data("x".utf8).write(to: URL(fileURLWithPath: "\(path)/0.png"))
        }
        let folders = try ImageFolder("\(folder.path)/commas")
        #expect(try SweepPlan.HeldOut(["a, b", "b"]).sets(folders) == [["a, b"], ["b"]])
        #expect(throws: UserError.self) { try SweepPlan.HeldOut(["a, b,b"]).sets(folders) }
        #expect(DomainNames.list(["x, y"], known: ["x", "y"]) == ["x", "y"])
        #expect(DomainNames.list(["x", "y"], known: ["x", "y"]) == ["x", "y"])
        #expect(DomainNames.list(["a, b"], folder: folders.root) == ["a, b"])
        #expect(DomainNames.list(["a, b"], folder: "nowhere") == ["a", "b"])
    }

    /// The options of a job are lines of a comment that sbatch takes apart.
    @Test func slurmOptionsAreQuoted() throws {
        let members = try plan(["ERM"], trials: 1).members
        func script(_ name: String) -> SlurmScript {
            SlurmScript(
                JobTasks(members, folder: "\(folder.path)/\(name)", threads: 1), program: "/opt/x", jobs: 1, threads: 1)
        }
        let line = try #require(
            script("100% \"of\" #1 it's").text.split(separator: "\n").first { $0.hasPrefix("#SBATCH --output=") })
        #expect(line == "#SBATCH --output=\"\(folder.path)/100%% \\\"of\\\" #1 it's/slurm-%a.log\"")
        for name in ["a\nb", "a\\b", "a\u{7F}"] {
            #expect { try script(name).write() } throws: { "\($0)".contains("choose another with --output") }
        }
        #expect(throws: UserError.self) { try script(FilePath.text([0xE9])).write() }
    }

    /// The lines that a bash script prints.
    private func printed(by script: String, _ environment: [String: String]) throws -> [String] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", script]
        process.environment = environment.merging(["PATH": "/usr/bin:/bin"]) { $1 }
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return text.split(separator: "\n").map(String.init)
    }

    @Test func writesAnIndexedJob() throws {
        let members = try plan(["ERM"], trials: 1).members
        let sweep = "\(folder.path)/A 'b'"
        func job(_ tasks: JobTasks, mount: String) -> KubernetesJob {
            KubernetesJob(
                tasks, container: "x/domainfusion:1", claim: "work", mount: mount, jobs: 2, threads: 3, gpus: 1)
        }
        let path = try job(JobTasks(members, folder: sweep, threads: 3), mount: "/").write()
        let manifest = try YAML.read(path)
        #expect(manifest["kind"] == "Job" && manifest["apiVersion"] == "batch/v1")
        #expect(manifest["metadata"] == ["name": "domainfusion-a--b"])
        let spec = try #require(manifest["spec"])
        #expect(spec["completionMode"] == "Indexed" && spec["completions"] == 3 && spec["parallelism"] == 2)
        let container = try #require(spec["template"]?["spec"]?["containers"]?.array?.first)
        #expect(container["resources"] == ["requests": ["cpu": 3], "limits": ["nvidia.com/gpu": 1]])
        // The shell runs the third task: a program that prints its arguments stands in for the toolkit.
        let script = try #require(container["args"]?.array?.first?.string)
            .replacingOccurrences(of: "exec 'domainfusion'", with: "printf '%s\\n'")
        let name = members[2].name
        #expect(
            try printed(by: script, ["JOB_COMPLETION_INDEX": "2"]) == [
                "train", "--config", "\(sweep)/members/\(name).yaml", "--run-dir", "\(sweep)/\(name)", "--threads", "3",
            ])
        let error = #expect(throws: UserError.self) {
            try job(JobTasks(members, folder: sweep, threads: 3), mount: "/elsewhere").write()
        }
        #expect(error?.message.contains("not on the volume that pods see at /elsewhere") == true)

        let same = JobTasks(command: ["generate", "--prompt", "a {class}'s"], count: 4, folder: sweep)
        let line = job(same, mount: "/").text
        #expect(line.contains("completions: 4"))
        let words = try #require(
            try YAML.parse(line, name: "job")["spec"]?["template"]?["spec"]?["containers"]?.array?.first?["args"]?
                .array?.first?.string)
        #expect(
            try printed(by: words.replacingOccurrences(of: "exec 'domainfusion'", with: "printf '%s\\n'"), [:]) == [
                "generate", "--prompt", "a {class}'s",
            ])
    }

    @Test func writesAJobArray() throws {
        let members = try plan(["ERM"], trials: 1).members
        let sweep = "\(folder.path)/a 'b'"
        let script = SlurmScript(
            JobTasks(members, folder: sweep, threads: 2), program: "/opt/domain fusion", jobs: 4, threads: 2)
        let path = try script.write()
        let lists = try FileManager.default.contentsOfDirectory(atPath: sweep).filter { $0.hasPrefix("members-") }
        let list = try String(contentsOfFile: "\(sweep)/\(try #require(lists.first))", encoding: .utf8)
        #expect(list == members.map { "\($0.name)\n" }.joined())
        // The shell runs the second task: a program that prints its arguments stands in for the toolkit.
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text.contains("#SBATCH --array=0-2%4\n"))
        let stand = text.replacingOccurrences(of: "'/opt/domain fusion'", with: "printf '%s\\n'")
        let name = members[1].name
        let training = [
            "train", "--config", "\(sweep)/members/\(name).yaml", "--run-dir", "\(sweep)/\(name)", "--threads", "2",
        ]
        #expect(try printed(by: stand, ["SLURM_ARRAY_TASK_ID": "1"]) == training)
        let file = "\(sweep)/members/\(name).yaml"
        #expect(try RunConfiguration().changed(by: YAML.read(file), source: file) == members[1].configuration)

        // A second submission leaves the first one's list alone: its tasks may not have begun.
        _ = try SlurmScript(
            JobTasks([members[2]], folder: sweep, threads: 1), program: "/opt/x", jobs: 1, threads: 1
        ).write()
        #expect(try String(contentsOfFile: "\(sweep)/\(lists[0])", encoding: .utf8) == list)
    }
}
