import Foundation
import Foundations
import Testing

@Suite(.serialized)
struct SweepCommandTests {
    let program: Program

    init() throws {
        program = try Program()
        try program.makeDataset()
    }

    private func sweep(_ more: String...) throws -> ProgramResult {
        try program.run(
            [
                "sweep", "--data-dir", ".", "--weights", "none", "--image-size", "32", "--batch-size", "2", "--steps",
                "1",
                "--trials", "1", "--output", "sweep", "--jobs", "2", "--threads", "1", "--device", "cpu",
            ] + more)
    }

    @Test func runsSkipsAndTriesAgain() throws {
        // Of two data sets one has a file that is no image.
        try FileManager.default.createDirectory(atPath: "\(program.folder)/bad", withIntermediateDirectories: true)
        for domain in ["a", "b"] {
            try FileManager.default.copyItem(
                atPath: "\(program.folder)/set/\(domain)", toPath: "\(program.folder)/bad/\(domain)")
        }
        try program.write("text", to: "bad/a/cat/0.png")

        let planned = try sweep("--dataset", "set,bad", "--algorithms", "ERM", "--launcher", "dry-run")
        #expect(planned.status == 0, "\(planned.errors)")
        #expect(planned.output.split(separator: "\n").count == 5)
        #expect(planned.output.contains(": to be run"))
        #expect(!program.exists("sweep"))

        let first = try sweep("--dataset", "set,bad", "--algorithms", "ERM")
        #expect(first.isPlainError)
        #expect(first.errors.contains("sweep: 5 runs, 0 of them done"))
        #expect(first.errors.contains("2 of 5 runs failed, first bad-ERM-a-trial0-draw0-"))
        #expect(first.errors.contains("bad/a/cat/0.png: not an image"))
        #expect(first.output.contains("Model chosen by validation on the training domains"))
        #expect(first.output.contains("\nset"))
        #expect(try program("report", "sweep").output.contains("\ncost of a run"))
        let json = try program("report", "sweep", "--format", "json").output
        #expect(JSONValue(json: Data(json.utf8))?["costs"]?.array?.first?["method"] == "ERM")

        // Mended, and moved: what is done stays done, what failed is tried again.
        try FileManager.default.removeItem(atPath: "\(program.folder)/bad/a/cat/0.png")
        try FileManager.default.createDirectory(atPath: "\(program.folder)/new", withIntermediateDirectories: true)
        for name in ["set", "bad"] {
            try FileManager.default.moveItem(
                atPath: "\(program.folder)/\(name)", toPath: "\(program.folder)/new/\(name)")
        }
        let second = try sweep("--dataset", "set,bad", "--algorithms", "ERM", "--data-dir", "new")
        #expect(second.status == 0, "\(second.errors)")
        #expect(second.errors.contains("sweep: 5 runs, 3 of them done"))
        #expect(second.errors.contains("[2/2] bad-ERM-"))

        let report = try program("report", "sweep", "--format", "csv")
        #expect(report.status == 0)
        #expect(report.output.split(separator: "\n").count == 1 + 3 * (3 + 2))
        // DomainBed's reader finds the runs, and none of its data sets.
        let foreign = try program("report", "--domainbed", "sweep")
        #expect(foreign.output.hasPrefix("Total records: 5\n"))
        #expect(foreign.errors.contains("data set 'set' is none of DomainBed's"))
    }

    @Test func refusesUnknownNames() throws {
        let algorithm = try sweep("--dataset", "set", "--algorithms", "FourierMx")
        #expect(algorithm.isPlainError)
        #expect(algorithm.errors.contains("no algorithm 'FourierMx'; did you mean FourierMix?"))
        let dataset = try sweep("--dataset", "sett", "--algorithms", "ERM")
        #expect(dataset.errors.contains("no data set 'sett' in .; did you mean set?"))
        let preset = try sweep("--dataset", "set", "--algorithms", "ERM", "--preset", "domainbd-2020")
        #expect(preset.errors.contains("did you mean domainbed-2020"))
        let setting = try sweep("--dataset", "set", "--algorithms", "ERM", "--set", "stepz=3")
        #expect(setting.errors.contains("unknown setting 'stepz'; did you mean steps?"))
        let hyperparameter = try sweep(
            "--dataset", "set", "--algorithms", "FourierMix", "--set", "algorithm.hyperparameters.shar=1")
        #expect(hyperparameter.errors.contains("unknown setting 'shar'; did you mean share?"))
        #expect(!program.exists("sweep"))
    }

    @Test func reportRefusesWhatIsNoSweep() throws {
        for arguments in [["report"], ["report", "a", "--domainbed", "b"], ["report", "nowhere"], ["report", "set"]] {
            let result = try program.run(arguments)
            #expect(result.isPlainError, "\(result.errors)")
        }
        let row = """
            {"args": {"algorithm": "ERM", "dataset": "PACS", "hparams_seed": 0, "test_envs": [0], "trial_seed": 0}, \
            "env0_in_acc": 0.25, "env0_out_acc": 0, "env1_out_acc": 0.5, "step": 0}\n
            """
        try program.write(row + String(row.prefix(60)), to: "theirs/run/results.jsonl")
        let cut = try program("report", "--domainbed", "theirs")
        #expect(cut.status == 0)
        #expect(cut.errors.contains("warning: theirs/run/results.jsonl: the last line is cut off; read up to it"))
        #expect(cut.output.contains("\nERM                   25.0 +/- 0.0          X                     "))
        try program.write("{}\n" + row, to: "theirs/run/results.jsonl")
        let bad = try program("report", "--domainbed", "theirs")
        #expect(bad.isPlainError)
        #expect(bad.errors.contains("theirs/run/results.jsonl: line 1: no usable \"args.algorithm\""))
    }
}

/// A sweep that is killed, and two sweeps on one folder.
@Suite(.serialized)
struct SweepProcessTests {
    let program: Program
    private let command = [
        "sweep", "--dataset", "set", "--data-dir", ".", "--algorithms", "ERM", "--test-domains", "c", "--weights",
        "none",
        "--image-size", "32", "--batch-size", "2", "--evaluate-every", "100", "--trials", "1", "--output", "sweep",
        "--jobs",
        "1", "--threads", "1", "--device", "cpu",
    ]

    init() throws {
        program = try Program()
        try program.makeDataset()
    }

    /// The process of the member that runs, by the lock that it holds.
    private var member: pid_t? {
        let folder = try? FileManager.default.contentsOfDirectory(atPath: "\(program.folder)/sweep")
            .first { $0.hasPrefix("set-ERM") }
        guard let folder, program.exists("sweep/\(folder)/classes.json") else { return nil }
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return processes.compactMap(pid_t.init).first { process in
            let line = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") ?? Data()
            return String(decoding: line, as: UTF8.self).contains("sweep/\(folder)\0")
        }
    }

    private func isRunning(_ process: pid_t) -> Bool {
        let status = FileManager.default.contents(atPath: "/proc/\(process)/stat") ?? Data()
        let state = String(decoding: status, as: UTF8.self).split(separator: ")").last?.split(separator: " ").first
        return state != nil && state != "Z"
    }

    @Test(arguments: [SIGKILL, SIGHUP])
    func membersEndWithTheirSweep(_ signal: Int32) throws {
        var child: pid_t?
        let steps = ["--steps", "400", "--save-every", "400"]
        let ended = try program.run(command + steps) { process in
            try program.wait(for: process) {
                child = member
                return child != nil
            }
            kill(process.processIdentifier, signal)
        }
        #expect(ended.status == (signal == SIGKILL ? -SIGKILL : 128 + signal), "\(ended.errors)")
        let process = try #require(child)
        // The same command at once waits for the member to have saved, and goes on.
        let again = try program.run(command + steps)
        #expect(again.status == 0, "\(again.errors)")
        #expect(!isRunning(process))
        let name = try #require(
            try FileManager.default.contentsOfDirectory(atPath: "\(program.folder)/sweep").first {
                $0.hasPrefix("set-ERM")
            })
        let log = String(decoding: program.contents("sweep/\(name)/log.txt") ?? Data(), as: UTF8.self)
        #expect(log.contains("goes on after step"), "\(log)")
    }

    @Test func twoSweepsShareAFolder() throws {
        let both = try program.shell(
            """
            run() { "$DF" \(command.joined(separator: " ")) --trials 2 --steps 60 --save-every 60 2>"$1.txt"; }
            run first & first=$!
            while ! ls sweep/set-ERM*/classes.json >/dev/null 2>&1; do sleep 0.05; done
            run second; second=$?
            wait $first; echo "ended $? $second"
            """)
        #expect(both.output.contains("ended 0 0"), "\(both.errors)")
        let told = ["first", "second"].map { String(decoding: program.contents("\($0).txt") ?? Data(), as: UTF8.self) }
        #expect(told.joined().contains("another process trains it"))
        #expect(!told.joined().contains("failed"))
    }
}
