import Foundation
import Testing

/// What surrounds a process: its standard files, signals, limits, and files that change under it.
@Suite(.serialized)
struct ProcessFaultTests {
    let program: Program

    init() throws {
        program = try Program()
        try program.makeDataset()
    }

    private let training =
        "train --data set --test-domain c --weights none --image-size 32 --batch-size 2 --steps 4 --save-every 2 "
        + "--evaluate-every 4 --threads 1 --device cpu"

    /// Runs a line of bash in the program's folder, in which `$DF` is the program.
    private func shell(_ line: String) throws -> ProgramResult { try program.shell(line) }

    @Test(arguments: ["x", "k/", "é"])
    func aPathMayHaveOneCharacter(_ name: String) throws {
        let trained = try shell("\"$DF\" \(training) --run-dir \(name)")
        #expect(trained.status == 0, "\(trained.errors)")
        #expect(program.exists("\(name)/done"))
        let evaluated = try shell("\"$DF\" eval \(name) --threads 1 --device cpu")
        #expect(evaluated.status == 0, "\(evaluated.errors)")
        let swept = try shell(
            "\"$DF\" sweep --dataset set --data-dir . --algorithms ERM --weights none --steps 1 --trials 1 --launcher dry-run "
                + "--output \(name)")
        #expect(swept.status == 0, "\(swept.errors)")
    }

    @Test(arguments: ["2>/dev/full", "2>&-", "2> >(true)"])
    func aRunNeedsNoStandardError(_ redirection: String) throws {
        let trained = try shell("\"$DF\" \(training) --run-dir run \(redirection)")
        #expect(trained.status == 0)
        #expect(trained.output.contains("run: done"))
        let undisturbed = try shell("\"$DF\" \(training) --run-dir other")
        #expect(undisturbed.status == 0)
        for file in ["predictions.jsonl", "checkpoint/step-4/model.safetensors"] {
            #expect(program.contents("run/\(file)") == program.contents("other/\(file)"))
        }
    }

    @Test func aResultThatCannotBeWrittenIsAnError() throws {
        #expect(try shell("\"$DF\" \(training) --run-dir runs/run").status == 0)
        let commands = [
            "predict set/a/cat/0.png --run runs/run --json", "predict set/a/cat/0.png --run runs/run", "eval runs/run",
            "eval runs/run --json", "report runs", "report runs --format json", "compare runs --format json", "info",
            "data check set", "--help", "--version",
            "sweep --dataset set --data-dir . --algorithms ERM --launcher dry-run",
        ]
        for command in commands {
            for redirection in [">/dev/full", ">&-"] {
                let result = try shell("\"$DF\" \(command) \(redirection)")
                #expect(result.status == 1, "\(command) \(redirection)")
                #expect(result.errorLines.count == 1, "\(command) \(redirection): \(result.errors)")
                #expect(result.errors.contains("standard output: cannot be written"))
            }
        }
        // A reader that has seen enough is no error to speak of.
        let piped = try shell("\"$DF\" info | head -1; echo ${PIPESTATUS[0]}")
        #expect(piped.errors.isEmpty)
        #expect(piped.output.hasPrefix("domainfusion "))
    }

    @Test(arguments: [SIGHUP, SIGUSR1, SIGUSR2, SIGALRM])
    func savesOnEverySignalThatMeansStop(_ signal: Int32) throws {
        let arguments =
            training.split(separator: " ").map(String.init) + [
                "--run-dir", "run", "--set", "steps=100000", "--set", "saveEvery=100000", "--set",
                "evaluateEvery=100000",
            ]
        let stopped = try program.run(arguments) { process in
            try program.wait(for: process) { program.exists("run/classes.json") }
            // Twice, as from a terminal that is closed and from its shell.
            for _ in 0..<2 { kill(process.processIdentifier, signal) }
        }
        #expect(stopped.status == 128 + signal, "\(stopped.errors)")
        #expect(stopped.errors.contains("state saved in run; the same command goes on from there"))
        #expect(program.exists("run/checkpoint"))
    }

    @Test func anIgnoredSignalStaysIgnored() throws {
        let ignoring = try shell(
            """
            trap '' HUP USR1
            "$DF" \(training) --run-dir run & process=$!
            while [ ! -e run/classes.json ] && kill -0 $process; do sleep 0.05; done
            kill -HUP $process; kill -USR1 $process
            wait $process
            """)
        #expect(ignoring.status == 0, "\(ignoring.errors)")
        #expect(program.exists("run/done"))
    }

    @Test func tooFewOpenFilesAreSaid() throws {
        let result = try shell("ulimit -n 16; \"$DF\" \(training) --run-dir run")
        #expect(result.isPlainError)
        #expect(result.errors == "error: this process may have 16 files open; allow it at least 64 (ulimit -n 64)\n")
        #expect(try shell("ulimit -n 64; \"$DF\" \(training) --run-dir run").status == 0)
    }

    @Test func aLimitOnFileSizesIsSaid() throws {
        let result = try shell("ulimit -f 8; \"$DF\" \(training) --run-dir run")
        #expect(result.isPlainError, "\(result.errors)")
        #expect(result.errors.contains("File too large; raise the limit on the size of files (ulimit -f)"))
        #expect(try shell("\"$DF\" \(training) --run-dir run").status == 0)
    }

    /// A weights file that is written over in place while a process has it mapped.
    @Test func aMappedFileThatIsCutIsSaid() throws {
        let weights = "\(program.folder)/weights.safetensors"
        #expect(
            try shell("\"$DF\" \(training) --run-dir run && cp run/checkpoint/step-4/model.safetensors \(weights)")
                .status == 0)
        let arguments = training.split(separator: " ").map(String.init) + ["--run-dir", "second", "--set"]
        let result = try program.run(arguments + ["backbone.weights=\(weights)"]) { process in
            try program.wait(for: process) {
                let maps = FileManager.default.contents(atPath: "/proc/\(process.processIdentifier)/maps") ?? Data()
                return String(decoding: maps, as: UTF8.self).contains(weights)
            }
            kill(process.processIdentifier, SIGSTOP)
            truncate(weights, 0)
            kill(process.processIdentifier, SIGCONT)
        }
        #expect(result.status == 1, "\(result.status)")
        #expect(result.errorLines.count == 1, "\(result.errors)")
        #expect(result.errors.contains("weights.safetensors: "))
        #expect(result.errors.split(separator: "\n").count <= 2, "\(result.errors)")
    }
}
