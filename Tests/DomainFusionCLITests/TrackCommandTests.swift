import Foundation
import TestSupport
import Testing

/// Runs of the program beside a server that answers as MLflow does.
@Suite(.serialized)
struct TrackCommandTests {
    let program: Program
    let server: TrackingServer

    init() throws {
        program = try Program()
        try program.makeDataset()
        server = try TrackingServer()
    }

    private let settings = [
        "--weights", "none", "--image-size", "32", "--batch-size", "2", "--steps", "6", "--save-every", "2",
        "--evaluate-every", "3", "--threads", "1", "--device", "cpu",
    ]

    private func train(_ folder: String, _ more: String..., end: ((Process) throws -> Void)? = nil) throws
        -> ProgramResult
    {
        try program.run(
            [
                "train", "--data", "set", "--test-domain", "c", "--weights", "none", "--image-size", "32",
                "--batch-size",
                "2", "--steps", "6", "--save-every", "2", "--evaluate-every", "3", "--threads", "1", "--device", "cpu",
                "--run-dir", folder,
            ] + more, end: end)
    }

    private func expectWhole(_ number: Int, location: SourceLocation = #_sourceLocation) throws {
        let run = try #require(server.all.dropFirst(number).first, sourceLocation: location)
        let losses = run.values.filter { $0.key == "train/loss" }.map(\.step)
        #expect(losses.sorted() == Array(1...6), sourceLocation: location)
        #expect(Set(run.values.map { "\($0.key) \($0.step)" }).count == run.values.count, sourceLocation: location)
        #expect(run.values.contains { $0.key == "result/c/accuracy" }, sourceLocation: location)
        #expect(run.values.contains { $0.key == "evaluation/env2_in_acc" && $0.step == 3 }, sourceLocation: location)
        #expect(run.status == "FINISHED" && run.settings["steps"] == "6", sourceLocation: location)
    }

    @Test("A sweep's run is sent while it trains; one that trained while the server was down is sent later")
    func sendsNowAndLater() throws {
        let live = try program.run(
            [
                "sweep", "--dataset", "set", "--algorithms", "ERM", "--test-domains", "c", "--trials", "1", "--output",
                "runs",
                "--jobs", "1", "--track", server.address,
            ] + settings)
        #expect(live.status == 0 && !live.errors.contains("warning"), "\(live.errors)")
        try expectWhole(0)
        #expect(server.all.first?.tags["mlflow.source.name"] == "domainfusion")

        server.stop()
        let late = try train("runs/late", "--track", server.address)
        #expect(late.status == 0, "\(late.errors)")
        let warnings = late.errors.split(separator: "\n").filter { $0.hasPrefix("warning: ") }
        #expect(
            warnings.last?.hasSuffix("domainfusion track 'runs/late' --to '\(server.address)'") == true,
            "\(late.errors)")
        #expect(warnings.count <= 2)
        let refused = try program("track", "runs/late", "--to", server.address)
        #expect(refused.isPlainError && refused.errors.contains("error: \(server.address): no answer"))

        // Both runs are in the folder; the first is sent already.
        try server.start()
        let sent = try program("track", "runs", "--to", server.address)
        #expect(sent.status == 0, "\(sent.errors)")
        #expect(sent.output.contains(": 0 values sent, run run-0, finished"))
        try expectWhole(1)
        #expect(server.all.count == 2)
    }

    @Test("A run that is killed and goes on is one run of the tracker, each value once; a restarted one is another")
    func goesOnInTheSameRun() throws {
        _ = try train("run", "--track", server.address) { process in
            try program.wait(for: process) { program.exists("run/checkpoint/step-2/manifest.json") }
            kill(process.processIdentifier, SIGKILL)
        }
        #expect(try train("run", "--track", server.address).status == 0)
        try expectWhole(0)
        #expect(try train("run", "--track", server.address, "--restart", "--steps", "1").status == 0)
        #expect(server.all.count == 2 && server.all.last?.settings["steps"] == "1")
    }

    @Test("What cannot be sent is one line")
    func refusesInOneLine() throws {
        let address = try train("run", "--track", "mlflow=ftp://host")
        #expect(address.isPlainError && address.errors.contains("no address of HTTP"))
        #expect(!program.exists("run"))
        for (arguments, reason) in [
            (["set", "--to", server.address], "set: no run in this folder"),
            (["missing", "--to", server.address], "missing: no run in this folder"),
            (["set", "--to", "tensorboard=x"], "no tracker"),
        ] {
            let result = try program.run(["track"] + arguments)
            #expect(result.isPlainError && result.errors.contains(reason), "\(result.errors)")
        }
    }
}
