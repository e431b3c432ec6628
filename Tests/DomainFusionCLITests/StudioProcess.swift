import Foundation
import Foundations
import Testing

/// A `domainfusion studio` that runs over the folder `runs` of a program's folder.
final class StudioProcess: @unchecked Sendable {  // the process is ended by one test alone
    let program: Program
    let process: Process
    let token: String
    /// Shows the token as a header.
    let client: HTTPClient

    init(_ program: Program, _ arguments: String...) throws {
        self.program = program
        process = Process()
        process.executableURL = Program.executable
        process.arguments = ["studio", "--port", "0", "--threads", "2", "--device", "cpu"] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: program.folder)
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        let match = try #require(
            line.firstMatch(of: /^runs in runs: open http:\/\/127\.0\.0\.1:([0-9]+)\/\?token=([0-9a-f]{64})\n$/),
            "\(line)")
        token = String(match.2)
        client = HTTPClient(port: try #require(Int(match.1)), token: token)
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }

    /// A client without the token.
    var stranger: HTTPClient { HTTPClient(port: client.port) }

    func get(_ path: String, _ headers: String...) -> HTTPClient.Answer? {
        stranger.answer(raw: stranger.head("GET", path, headers))
    }

    /// A form of fields.
    func post(_ path: String, _ fields: String, headers: [String] = []) -> HTTPClient.Answer? {
        client.post(path, "application/x-www-form-urlencoded", Array(fields.utf8), headers: headers)
    }

    /// A stream of events that is open, read up to something that comes in time.
    func events(_ path: String) -> EventReader { EventReader(client, path) }
}

/// Reads a stream piece by piece.
final class EventReader {
    private let descriptor: Int32
    private(set) var text = ""

    fileprivate init(_ client: HTTPClient, _ path: String) {
        descriptor = client.connect()
        client.write(client.head("GET", path, ["Accept: text/event-stream"]), to: descriptor)
    }

    deinit { close(descriptor) }

    /// Whether some text comes in time.
    func waits(for part: String) -> Bool {
        let deadline = ContinuousClock.now + Self.patience
        while !text.contains(part) {
            guard ContinuousClock.now < deadline, read() > 0 else { return false }
        }
        return true
    }

    /// Whether the stream ends in time.
    func ends() -> Bool {
        let deadline = ContinuousClock.now + Self.patience
        while ContinuousClock.now < deadline {
            let count = read()
            if count <= 0 { return count == 0 }
        }
        return false
    }

    private static let patience = Duration.seconds(30)

    private func read() -> Int {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        text += String(decoding: bytes[..<max(0, count)], as: UTF8.self)
        return count
    }
}

/// Gives all tests of a suite one studio with the tiny diffusion model, which ends with the last of them. Its runs are
/// `runs/erm` and `runs/sweep/twin`.
struct OneStudio: SuiteTrait, TestScoping {
    @TaskLocal static var current: StudioProcess?

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let program = try ServerProcess.makeRuns()
        let files = FileManager.default
        try files.createDirectory(atPath: "\(program.folder)/runs/sweep", withIntermediateDirectories: true)
        try files.moveItem(atPath: "\(program.folder)/erm", toPath: "\(program.folder)/runs/erm")
        try files.moveItem(atPath: "\(program.folder)/twin", toPath: "\(program.folder)/runs/sweep/twin")
        let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../DiffusionTests/Fixtures/sd1").standardized.path
        let studio = try StudioProcess(
            program, "--ldm", model, "--max-body", "1", "--max-pixels", "40000")
        try await Self.$current.withValue(studio) { try await function() }
    }
}
