import Foundation

/// `scripts/fixtures/hub_server.py`, a hub on loopback that misbehaves where it is told to.
final class HubServer: Sendable {
    /// One for all tests: each has a model of its own there.
    static let shared = Result { try HubServer() }

    /// Holds the models that are served.
    let folder: String
    let port: Int
    private let process: Process
    private let input = Pipe()

    static func script() -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "../../scripts/fixtures/hub_server.py"
        ).standardized.path
    }

    private init() throws {
        setenv("NO_PROXY", "127.0.0.1", 1)
        folder = "\(FileManager.default.temporaryDirectory.path)/hub-server-\(getpid())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", Self.script(), folder]
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        port = line.split(separator: " ").first.flatMap { Int($0) } ?? 0
    }
}
