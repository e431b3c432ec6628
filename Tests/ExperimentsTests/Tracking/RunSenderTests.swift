import DomainGeneralization
import Foundation
import Foundations
import TestSupport
import Testing

@testable import Experiments

/// Runs' figures on a server that keeps all that it is sent.
struct RunSenderTests {
    let folder: TemporaryFolder
    let server: TrackingServer
    let events: EventWriter
    private var run: String { folder.path("run") }

    init() throws {
        folder = try TemporaryFolder()
        server = try TrackingServer()
        var configuration = RunConfiguration()
        configuration.testDomains = ["sketch"]
        configuration.algorithm.name = "CORAL"
        try folder.write(YAML.text(JSONValue(encoding: configuration)), to: "run/config.yaml")
        try folder.write(#"{"started": "2026-01-02T03:04:05Z", "toolkit": "0.2.0"}"#, to: "run/environment.json")
        events = try EventWriter(folder: folder.path("run"))
    }

    private func sender(_ environment: [String: String] = [:], seconds: Double = 5) throws -> RunSender {
        try RunSender(
            folder: run, address: TrackerAddress(server.address), seconds: seconds, environment: environment)
    }

    private func train(_ steps: Range<Int>) throws {
        for step in steps { try events.add("train/loss", 1 / Double(step + 1), step: step) }
    }

    /// The steps of the losses that the server has, sorted.
    private var steps: [Int] { server.all.flatMap(\.values).filter { $0.key == "train/loss" }.map(\.step).sorted() }

    @Test("All is sent once: settings, values of event files and rows, the result, the status")
    func sendsAllOnce() throws {
        try train(0..<2500)
        try folder.write(
            #"{"step": 2500, "env0_out_acc": 0.5, "average_env0_out_acc": 0.75}"# + "\n", to: "run/results.jsonl")
        try events.add("evaluation/env0_out_acc", 0.5, step: 2500)
        let sender = try sender()
        #expect(try sender.waiting() == 2502)
        let first = try sender.send()
        #expect(first == .init(values: 2502, run: "run-0", status: "KILLED"))
        #expect(try sender.waiting() == 0)
        #expect(try self.sender().send().values == 0)
        #expect(steps == Array(0..<2500))

        try folder.write("broken at step 7\n", to: "run/failed")
        #expect(try sender.send().status == "FAILED")
        let run = try #require(server.all.first)
        #expect(
            server.all.count == 1 && run.status == "FAILED" && run.tags["domainfusion.failure"] == "broken at step 7\n")
        #expect(run.settings["algorithm.name"] == "CORAL" && run.settings["testDomains"] == #"["sketch"]"#)
        #expect(run.settings["backbone.dropout"] == "0")
        #expect(run.tags["domainfusion.version"] == "0.2.0")
        #expect(run.values.contains { $0.key == "evaluation/average_env0_out_acc" && $0.value == 0.75 })
        #expect(Set(run.values).count == run.values.count)
    }

    @Test("What a run repeats after a kill is not sent again")
    func skipsRepeatedSteps() throws {
        try train(0..<70)
        #expect(try sender().send().values == 70)
        // Goes on from a checkpoint at step 50, in another file.
        try train(50..<90)
        #expect(try sender().send().values == 20)
        #expect(steps == Array(0..<90))
    }

    @Test("A run whose record was removed, and one sent to a second server, are sent as a whole")
    func sendsToASecondServer() throws {
        try train(0..<20)
        let sender = try sender()
        _ = try sender.send()
        let second = try TrackingServer()
        #expect(
            try RunSender(folder: run, address: TrackerAddress(second.address), environment: [:]).send().values == 20)
        #expect(try sender.send().values == 0)
        Files.remove("\(run)/tracking.json")
        #expect(try sender.send() == .init(values: 20, run: "run-1", status: "KILLED"))
        #expect(server.all.map(\.values.count) == [20, 20] && second.all.map(\.values.count) == [20])
    }

    @Test(
        "A server that fails is named with the reason, and gets all later, once",
        arguments: [
            (TrackingServer.Fault.status(500), "answers 500: told to fail"),
            (.status(401), "set MLFLOW_TRACKING_USERNAME"),
            (.page, "answers what is no JSON"), (.silence, "no answer"),
            (.redirect("https://elsewhere.example/"), "leads to https://elsewhere.example/; give that address"),
        ])
    func recovers(_ fault: TrackingServer.Fault, _ reason: String) throws {
        try train(0..<30)
        let sender = try sender(seconds: 2)
        func fails() throws {
            server.misbehave(fault)
            #expect { try sender.send() } throws: { error in
                let text = "\(error)"
                return text.hasPrefix(server.address) && text.contains(reason) && !text.contains("\n")
            }
            server.misbehave(nil)
        }
        // Before the run is begun, and between two parts of it.
        try fails()
        _ = try sender.send()
        try train(30..<60)
        try fails()
        _ = try sender.send()
        #expect(steps == Array(0..<60))
        #expect(server.all.count == 1)
    }

    @Test("What the server took without an answer is not sent again", arguments: ["runs/create", "runs/log-batch"])
    func findsWhatWasTaken(_ path: String) throws {
        try train(0..<30)
        server.misbehave(.lostAnswer(to: path))
        let sender = try sender()
        #expect(throws: UserError.self) { try sender.send() }
        server.misbehave(nil)
        #expect(try sender.send().run == "run-0")
        #expect(server.all.count == 1 && steps == Array(0..<30))
    }

    @Test("Values whose answer was lost between two parts are not sent again, by this process or another")
    func findsValuesThatWereTaken() throws {
        try train(0..<30)
        let sender = try sender()
        _ = try sender.send()
        try train(30..<60)
        server.misbehave(.lostAnswer(to: "runs/log-batch"))
        #expect(throws: UserError.self) { try sender.send() }
        server.misbehave(nil)
        #expect(steps == Array(0..<60))
        #expect(try self.sender().send().values == 0)
        #expect(try sender.send().values == 0)
        #expect(steps == Array(0..<60))
    }

    @Test("A server that is down gets all later; one that has forgotten the run is named")
    func sendsLater() throws {
        try train(0..<10)
        server.stop()
        #expect { try sender().send() } throws: { "\($0)".contains("start the server, or correct the address") }
        #expect(try sender().waiting() == 10)
        try server.start()
        #expect(try sender().send().values == 10)
        let other = try TrackingServer()
        let text = try #require(Files.contents("\(run)/tracking.json").map { String(decoding: $0, as: UTF8.self) })
        try folder.write(text.replacing(server.address, with: other.address), to: "run/tracking.json")
        let address = try TrackerAddress(other.address)
        #expect {
            try RunSender(folder: run, address: address, environment: [:]).send()
        } throws: { "\($0)".contains("run run-0 is no longer there; remove \(run)/tracking.json") }
    }

    @Test(
        "A damaged record is one line, before the server is asked",
        arguments: [
            "", "{", "[]", #"{"id": 1, "destinations": {}}"#, #"{"id": "a", "destinations": {"b": {"sent": {}}}}"#,
        ])
    func refusesADamagedRecord(_ text: String) throws {
        try folder.write(text, to: "run/tracking.json")
        #expect { try sender().send() } throws: { "\($0)".hasPrefix("\(run)/tracking.json: damaged; restore it") }
        #expect(server.requests.isEmpty)
    }

    @Test("Credentials come from the environment, as MLflow's own client takes them, and are in no error")
    func sendsCredentials() throws {
        _ = try sender(["MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "pw"]).send()
        #expect(server.requests.allSatisfy { $0.contains("\r\nAuthorization: Basic YWRhOnB3") })
        server.misbehave(.status(403))
        #expect { try sender(["MLFLOW_TRACKING_TOKEN": "secret"]).send() } throws: { !"\($0)".contains("secret") }
        #expect(server.requests.last?.contains("\r\nAuthorization: Bearer secret") == true)
        #expect(throws: UserError.self) { try sender(["MLFLOW_TRACKING_TOKEN": "a\r\nX: b"]) }
    }

    private func wait(until isSo: () -> Bool) {
        let deadline = Date(timeIntervalSinceNow: 30)
        while !isSo(), Date() < deadline { Thread.sleep(forTimeInterval: 0.01) }
    }

    @Test("A thread sends while the run goes on, warns once of a server that is down, and says how to send the rest")
    func sendsBesideTheRun() throws {
        let lines = Notes()
        try train(0..<5)
        let lock = try FolderLock(run, option: "--run-dir")
        let live = RunTracking(folder: run, address: try TrackerAddress(server.address), warn: lines.add)
        wait { server.all.first?.values.count == 5 }
        #expect(server.all.first?.status == "RUNNING")
        try train(5..<9)
        withExtendedLifetime(lock) { live.finish() }
        #expect(steps == Array(0..<9) && server.all.first?.status == "KILLED" && lines.all.isEmpty)

        server.stop()
        try train(9..<12)
        let late = RunTracking(folder: run, address: try TrackerAddress(server.address), warn: lines.add)
        wait { !lines.all.isEmpty }
        late.finish()
        #expect(lines.all.count == 2)
        #expect(lines.all.first?.contains("the run goes on, and what is left is sent later") == true)
        #expect(
            lines.all.last
                == "3 values were not sent; send them with: domainfusion track '\(run)' --to '\(server.address)'")
    }

    @Test(
        "What is no tracker's address is refused",
        arguments: [
            "http://127.0.0.1:5000", "mlflow", "mlflow=", "mlflow=ftp://host", "mlflow=host:5000", "wandb=https://host",
            "mlflow=https://name:hush@host", "mlflow=https://host?a=b", "mlflow=https://ho st", "mlflow=file:///tmp/x",
        ])
    func refusesOtherAddresses(_ text: String) {
        #expect { try TrackerAddress(text) } throws: { !"\($0)".contains("hush") && "\($0)".contains("mlflow=") }
    }
}

/// Lines from another thread.
private final class Notes: @unchecked Sendable {  // the variable is guarded by the lock
    private let lock = NSLock()
    private var lines: [String] = []

    var all: [String] { lock.withLock { lines } }

    @Sendable func add(_ line: String) { lock.withLock { lines.append(line) } }
}
