import Foundation
import Foundations
import Testing

/// A `domainfusion serve` that runs, with the runs `erm` and `twin` in its folder.
final class ServerProcess: @unchecked Sendable {  // the process is ended by one test alone
    static let token = "0123456789abcdef-secret"
    let program: Program
    let process: Process
    let client: HTTPClient

    /// Starts a server and waits until it serves.
    init(_ program: Program, _ arguments: [String], token: String = "") throws {
        self.program = program
        process = Process()
        process.executableURL = Program.executable
        process.arguments = ["serve"] + arguments + ["--port", "0", "--threads", "2", "--device", "cpu"]
        process.currentDirectoryURL = URL(fileURLWithPath: program.folder)
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        if !token.isEmpty {
            process.environment = ProcessInfo.processInfo.environment.merging(["DOMAINFUSION_TOKEN": token]) { $1 }
        }
        try process.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        let match = try #require(line.firstMatch(of: /^serving .* at http:\/\/127\.0\.0\.1:([0-9]+)\n$/), "\(line)")
        client = HTTPClient(port: try #require(Int(match.1)), token: token)
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }

    /// Trains the smallest network for two steps into `erm`, and copies it to `twin`.
    static func makeRuns() throws -> Program {
        let program = try Program()
        try program.makeDataset()
        let trained = try program(
            "train", "--data", "set", "--test-domain", "c", "--weights", "none", "--image-size", "32", "--batch-size",
            "2", "--steps", "2", "--evaluate-every", "2", "--threads", "1", "--device", "cpu", "--run-dir", "erm")
        try #require(trained.status == 0, "\(trained.errors)")
        try FileManager.default.copyItem(atPath: "\(program.folder)/erm", toPath: "\(program.folder)/twin")
        return program
    }
}

/// Gives all tests of a suite one server, which ends with the last of them.
struct OneServer: SuiteTrait, TestScoping {
    @TaskLocal static var current: ServerProcess?

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let server = try ServerProcess(
            ServerProcess.makeRuns(),
            [
                "erm", "twin", "--max-batch", "4", "--max-body", "1", "--max-pixels", "40000", "--max-waiting", "8",
            ], token: ServerProcess.token)
        try await Self.$current.withValue(server) { try await function() }
    }
}
