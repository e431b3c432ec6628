import Foundation
import Foundations
import Pixels

/// What a run of the built `domainfusion` gave.
struct ProgramResult {
    let status: Int32
    let output: String
    let errors: String

    /// The lines on standard error that begin with `error: `.
    var errorLines: [String] { errors.split(separator: "\n").filter { $0.hasPrefix("error: ") }.map(String.init) }

    /// Whether it ended as a mistake of the user should: one line, a status, no trace of the stack.
    var isPlainError: Bool {
        status != 0 && errorLines.count == 1 && !errors.contains("Fatal") && !errors.contains("Stack dump")
            && !errors.contains("Thread 0")
    }
}

/// The built `domainfusion`, run as a process in a folder of its own.
final class Program {
    let folder: String

    init() throws {
        folder = "\(FileManager.default.temporaryDirectory.path)/domainfusion-cli-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// The program lies beside the tests.
    static let executable: URL = {
        var url = Bundle.main.executableURL ?? URL(fileURLWithPath: CommandLine.arguments[0])
        while url.path != "/" {
            url.deleteLastPathComponent()
            let candidate = url.appendingPathComponent("domainfusion")
            if FileManager.default.isExecutableFile(atPath: candidate.path) { return candidate }
        }
        return URL(fileURLWithPath: "domainfusion")
    }()

    /// Starts the program in the folder.
    private func start(
        _ program: URL, _ arguments: [String], environment: [String: String], output: FileHandle, errors: FileHandle
    ) throws -> Process {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        // What the checkout has is not there, unless a test says so.
        let own = ["DOMAINFUSION_HOME": folder].merging(environment) { $1 }
        process.environment = ProcessInfo.processInfo.environment.merging(own) { $1 }
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        try process.run()
        return process
    }

    /// Runs the program to its end, or until `end`, told of the running process, has ended it.
    /// - Parameter environment: variables to set beside those of the tests.
    func run(
        _ arguments: [String], of program: URL = Program.executable, environment: [String: String] = [:],
        end: ((Process) throws -> Void)? = nil
    ) throws -> ProgramResult {
        let outputs = try ["out", "err"].map { kind in
            let path = "\(folder)/\(kind)-\(UUID().uuidString)"
            _ = FileManager.default.createFile(atPath: path, contents: nil)
            guard let handle = FileHandle(forWritingAtPath: path) else { throw CocoaError(.fileWriteUnknown) }
            return (path, handle)
        }
        let process = try start(
            program, arguments, environment: environment, output: outputs[0].1, errors: outputs[1].1)
        try end?(process)
        process.waitUntilExit()
        let texts = outputs.map { path, handle in
            try? handle.close()
            let text = FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
            try? FileManager.default.removeItem(atPath: path)
            return text
        }
        let status = process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
        return ProgramResult(status: status, output: texts[0], errors: texts[1])
    }

    /// Runs a line of bash, in which `$DF` is the program.
    func shell(_ line: String) throws -> ProgramResult {
        try run(["-c", line], of: URL(fileURLWithPath: "/bin/bash"), environment: ["DF": Self.executable.path])
    }

    /// Waits until something is so, or the process has ended.
    func wait(for process: Process, until isSo: () -> Bool) throws {
        let deadline = Date().addingTimeInterval(120)
        while process.isRunning, !isSo() {
            guard Date() < deadline else { throw CocoaError(.userCancelled) }
            Thread.sleep(forTimeInterval: 0.001)
        }
    }

    func callAsFunction(_ arguments: String...) throws -> ProgramResult { try run(arguments) }

    func write(_ bytes: some Sequence<UInt8>, to name: String) throws {
        try FileManager.default.createDirectory(
            atPath: ("\(folder)/\(name)" as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
    }

    func write(_ text: String, to name: String) throws { try write(text.utf8, to: name) }

    /// The bytes of a PNG of random pixels.
    static func png(seed: Int) throws -> [UInt8] {
        var generator = SeededGenerator(seed: UInt64(seed))
        let pixels = (0..<40 * 40 * 3).map { _ in UInt8(generator.below(256)) }
        return try PNG.encode(RGBImage(width: 40, height: 40, pixels: pixels))
    }

    /// Makes `set`: domains a, b, c of classes cat, dog, four images each.
    func makeDataset() throws {
        var seed = 0
        for domain in ["a", "b", "c"] {
            for label in ["cat", "dog"] {
                for index in 0..<4 {
                    seed += 1
                    try write(Self.png(seed: seed), to: "set/\(domain)/\(label)/\(index).png")
                }
            }
        }
    }

    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(folder)/\(name)") }

    func contents(_ name: String) -> Data? { FileManager.default.contents(atPath: "\(folder)/\(name)") }
}
