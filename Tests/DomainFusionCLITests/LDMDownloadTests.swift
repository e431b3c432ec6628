import Foundation
import Testing

/// Downloads from the command line, from `scripts/fixtures/hub_server.py` on loopback.
@Suite(.serialized)
final class LDMDownloadTests {
    private let program: Program
    private let server = Process()
    private let input = Pipe()
    private let endpoint: String
    private let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../DiffusionTests/Fixtures/sd1").standardized.path

    /// Serves the fixture as `org/tiny`.
    init() throws {
        program = try Program()
        try FileManager.default.createDirectory(
            atPath: "\(program.folder)/served/org", withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: fixture, toPath: "\(program.folder)/served/org/tiny")
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../scripts/fixtures/hub_server.py").standardized.path
        let output = Pipe()
        server.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        server.arguments = ["python3", script, "\(program.folder)/served"]
        server.standardInput = input
        server.standardOutput = output
        try server.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        endpoint = "http://127.0.0.1:\(line.prefix { $0 != " " })"
    }

    /// It ends when its input does.
    deinit { try? input.fileHandleForWriting.close() }

    private func run(
        _ arguments: String..., environment: [String: String] = [:], end: ((Process) throws -> Void)? = nil
    ) throws -> ProgramResult {
        let standard = [
            "HF_ENDPOINT": endpoint, "HF_HOME": "\(program.folder)/hf", "NO_PROXY": "127.0.0.1", "HF_HUB_OFFLINE": "0",
            "HF_HUB_CACHE": "", "HF_TOKEN": "", "HF_TOKEN_PATH": "",
        ]
        return try program.run(arguments, environment: standard.merging(environment) { $1 }, end: end)
    }

    private var requests: [Substring] {
        String(decoding: program.contents("served/org/tiny/.requests") ?? Data(), as: UTF8.self).split(separator: "\n")
    }

    /// Sizes of the blobs that are not finished.
    private var incomplete: [Int] {
        let blobs = "\(program.folder)/hf/hub/models--org--tiny/blobs"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: blobs)) ?? []
        return names.filter { $0.hasSuffix(".incomplete") }.compactMap {
            (try? FileManager.default.attributesOfItem(atPath: "\(blobs)/\($0)")[.size] as? NSNumber)?.intValue
        }
    }

    @Test func downloadsPrintTheFolder() throws {
        let result = try run("ldm", "download", "org/tiny")
        #expect(result.status == 0, "\(result.errors)")
        let folder = result.output.trimmingCharacters(in: .newlines)
        #expect(folder.hasPrefix("\(program.folder)/hf/hub/models--org--tiny/snapshots/"))
        #expect(FileManager.default.fileExists(atPath: "\(folder)/unet/config.json"))
        let lines = result.errors.split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("org/tiny: fetching 11 files, 601 kB, from \(endpoint)") }, "\(lines)")
        #expect(lines.contains("unet/diffusion_pytorch_model.safetensors: 236 kB"), "\(lines)")

        let again = try run("ldm", "download", "org/tiny")
        #expect(again.output == result.output && again.errors.isEmpty)
        for (arguments, part) in [
            (["org/tiny", "--variant", "fp16"], "org/tiny: has no weights of the variant fp16; leave --variant out"),
            (["org/tiny@v7"], "org/tiny@v7: no branch, tag or commit 'v7'"),
            (["tiny"], "'tiny' is no model of the hub"),
            (["org/nobody"], "org/nobody: no such model at \(endpoint)"),
        ] {
            let wrong = try program.run(
                ["ldm", "download"] + arguments,
                environment: ["HF_ENDPOINT": endpoint, "HF_HOME": "\(program.folder)/hf", "NO_PROXY": "127.0.0.1"])
            #expect(wrong.isPlainError && wrong.errors.contains(part), "\(wrong.errors)")
        }
    }

    @Test func idsAreFetchedWhereAModelIsWanted() throws {
        func sample(_ model: String, _ output: String, _ environment: [String: String] = [:]) throws -> ProgramResult {
            try run(
                "ldm", "sample", "--ldm", model, "--prompt", "art", "--steps", "2", "--output", output,
                environment: environment)
        }
        let offline = try sample("org/tiny", "x.png", ["HF_HUB_OFFLINE": "1"])
        #expect(offline.isPlainError && offline.errors.contains("fetch it with 'domainfusion ldm download org/tiny'"))
        #expect(requests.isEmpty)

        let fetched = try sample("org/tiny", "a.png")
        #expect(fetched.status == 0, "\(fetched.errors)")
        #expect(
            fetched.errors.hasPrefix("org/tiny: fetching 11 files, 601 kB, from \(endpoint)\n"), "\(fetched.errors)")
        #expect(try sample(fixture, "b.png").status == 0)
        #expect(program.contents("a.png") != nil && program.contents("a.png") == program.contents("b.png"))

        // Once it is there, nobody is asked.
        let count = requests.count
        #expect(try sample("org/tiny", "c.png").status == 0)
        #expect(requests.count == count)
        // A folder that is not there is looked for nowhere else.
        let folder = try sample("Models/none", "d.png")
        #expect(folder.isPlainError && folder.errors.contains("Models/none: no such model"), "\(folder.errors)")
    }

    @Test func trainingFetchesToo() throws {
        try program.makeDataset()
        let result = try run(
            "train", "--data", "set", "--test-domain", "c", "--weights", "none", "--image-size", "32", "--batch-size",
            "2",
            "--steps", "1", "--threads", "1", "--run-dir", "run", "--algorithm", "MODE-A", "--set",
            "algorithm.hyperparameters.ldm=org/tiny")
        #expect(result.errors.contains("org/tiny: fetching 11 files"), "\(result.errors)")
        #expect(result.status == 0, "\(result.errors)")
    }

    @Test func interruptedDownloadsGoOn() throws {
        try program.write(
            #"[{"match": "/cdn/.*/unet/diff", "times": 1, "do": "stall", "after": 100000, "seconds": 60}]"#,
            to: "served/org/tiny/.faults")
        let stopped = try run("ldm", "download", "org/tiny") { [self] process in
            let end = Date(timeIntervalSinceNow: 30)
            while Date() < end, incomplete != [100_000] { usleep(20_000) }
            process.interrupt()
        }
        #expect(stopped.status == 130, "\(stopped.errors)")
        #expect(stopped.errors.hasSuffix("interrupted: what has come is kept; the same command goes on from there\n"))
        #expect(incomplete == [100_000])
        let result = try run("ldm", "download", "org/tiny")
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.errors.hasPrefix("org/tiny: fetching 2 files, 300 kB, from "), "\(result.errors)")
        #expect(incomplete.isEmpty)
        #expect(requests.contains { $0.contains("/cdn/") && $0.contains(#""range": "bytes=100000-""#) })
    }
}
