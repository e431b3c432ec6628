import Foundation
import Foundations
import TestSupport
import Testing
import Torch

@testable import DomainGeneralization
@testable import Experiments

/// A run's files that are damaged never change a number: what cannot be trusted is named.
struct RunFilesTests {
    let folder: TemporaryFolder
    let configuration: RunConfiguration

    init() throws {
        folder = try TemporaryFolder()
        var configuration = RunConfiguration()
        configuration.data = try folder.makeDataset(count: 4)
        configuration.testDomains = ["c"]
        configuration.backbone.weights = "none"
        configuration.imageSize = 32
        configuration.batchSize = 2
        configuration.steps = 4
        configuration.evaluateEvery = 2
        configuration.saveEvery = 1
        self.configuration = configuration
    }

    private var path: String { "\(folder.path)/runs/run" }

    private func train(_ registry: AlgorithmRegistry = .standard) throws -> RunSummary {
        try TrainingRun(configuration, folder: path, registry: registry, threads: 1) { _ in }.run()
    }

    /// Everything that reads a finished run.
    private var readers: [(String, () throws -> Void)] {
        [
            ("train", { _ = try train() }),
            ("predict", { _ = try TrainedModel(run: path, device: "cpu", threads: 1) }),
            ("compare", { _ = try RunComparison(folders: ["\(folder.path)/runs"], baseline: "ERM") }),
            ("report", { _ = try ResultRecord.read(folder: "\(folder.path)/runs", nested: true) { _ in } }),
        ]
    }

    @Test func nothingOfAFinishedRunIsTrustedUnseen() throws {
        _ = try train()
        for (_, read) in readers { try read() }
        let readBy = [
            "summary.json": ["train", "predict", "compare"], "results.jsonl": ["train", "report"],
            "predictions.jsonl": ["train", "compare"], "classes.json": ["train", "predict"],
            "config.yaml": ["train", "predict", "compare"], "environment.json": ["train"],
            "done": ["train", "predict", "compare", "report"],
        ]
        for (name, who) in readBy.sorted(by: { $0.key < $1.key }) {
            let file = "\(path)/\(name)"
            let bytes = try #require(FileManager.default.contents(atPath: file))
            var flipped = bytes
            // A digit for another: still a valid file.
            let place = try #require(
                flipped.lastIndex { (UInt8(ascii: "0")...UInt8(ascii: "8")).contains($0) } ?? flipped.indices.last)
            flipped[place] ^= 1
            for damaged in [flipped, bytes.prefix(bytes.count / 2), Data(), name == "done" ? Data([0]) : nil] as [Data?]
            {
                if let damaged {
                    try damaged.write(to: URL(fileURLWithPath: file))
                } else {
                    try FileManager.default.removeItem(atPath: file)
                }
                // A flipped bit in the list of files is found by who reads the file whose entry it is in.
                let all = damaged == flipped && name == "done" ? ["train"] : who
                for (reader, read) in readers where all.contains(reader) {
                    let error = #expect(throws: (any Error).self, "\(reader) took a damaged \(name)") { try read() }
                    if name != "done" { #expect("\(error.map { "\($0)" } ?? "")".contains(name)) }
                }
                try bytes.write(to: URL(fileURLWithPath: file))
            }
        }
        for (_, read) in readers { try read() }
    }

    @Test func aRunThatGoesOnMissesNothing() throws {
        let broken = Broken(at: 3)
        let registry = AlgorithmRegistry([broken.description])
        #expect(throws: UserError("broken at step 3")) { try train(registry) }
        for (name, problem) in [
            ("results.jsonl", "has 0 rows, and had 1 at the last checkpoint"), ("environment.json", "missing"),
            ("classes.json", "missing"),
        ] {
            let file = "\(path)/\(name)"
            let bytes = try #require(FileManager.default.contents(atPath: file))
            try FileManager.default.removeItem(atPath: file)
            #expect { try train(registry) } throws: { "\($0)".hasPrefix("\(file): \(problem)") }
            #expect { try train(registry) } throws: { "\($0)".hasPrefix("\(file): \(problem)") }
            try bytes.write(to: URL(fileURLWithPath: file))
        }
        let file = "\(path)/results.jsonl"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        try text.replacingOccurrences(of: "env0_out_acc\":", with: "env0_out_acc\":1").write(
            toFile: file, atomically: true, encoding: .utf8)
        #expect { try train(registry) } throws: { "\($0)".contains("its rows are not those of the last checkpoint") }
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        // An evaluation whose checkpoint was not written any more is done again.
        try (text + "{\"step\":4}\n").write(toFile: file, atomically: true, encoding: .utf8)
        broken.isMended.store(true, ordering: .relaxed)
        _ = try train(registry)
    }

    @Test func anImageThatChangedIsNamed() throws {
        let broken = Broken(at: 3)
        let registry = AlgorithmRegistry([broken.description])
        #expect(throws: UserError("broken at step 3")) { try train(registry) }
        broken.isMended.store(true, ordering: .relaxed)
        let image = "\(configuration.data)/a/cat/1.png"
        let bytes = try #require(FileManager.default.contents(atPath: image))
        try #require(FileManager.default.contents(atPath: "\(configuration.data)/b/dog/2.png"))
            .write(to: URL(fileURLWithPath: image))
        try FileManager.default.setAttributes(
            [.modificationDate: Date() + 60], ofItemAtPath: image)
        #expect { try train(registry) } throws: {
            "\($0)".contains("have changed since the run began (\(image) was written later)")
        }
        // The time alone is no change.
        try bytes.write(to: URL(fileURLWithPath: image))
        _ = try train(registry)
    }

    /// What was finished before runs were sealed is read as it was.
    @Test func aRunOfAnEarlierVersionIsRead() throws {
        _ = try train()
        try "done".write(toFile: "\(path)/done", atomically: true, encoding: .utf8)
        for (_, read) in readers { try read() }
    }
}
