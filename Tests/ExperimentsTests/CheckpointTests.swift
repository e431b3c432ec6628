import DomainGeneralization
import Foundation
import Foundations
import TestSupport
import Testing
import Torch

@testable import Experiments

struct CheckpointTests {
    let temporary: TemporaryFolder
    let folder: CheckpointFolder

    init() throws {
        temporary = try TemporaryFolder()
        folder = CheckpointFolder("\(temporary.path)/checkpoint")
    }

    private func checkpoint(_ step: Int) -> Checkpoint {
        var model = StateDict()
        model["weight"] = Tensor([Float(step), 2, 3])
        var optimizer = StateDict()
        optimizer["optimizer.0.0.step"] = Tensor(Float(step))
        var metrics = MetricSums()
        metrics.add([Metric("loss", 0.1), Metric("seconds", 1, .total)])
        return Checkpoint(
            state: .init(step: step, metrics: metrics, algorithm: ["round": .int(2)]), model: model,
            optimizer: optimizer)
    }

    private func append(_ text: String, to file: String) throws {
        let handle = try #require(FileHandle(forWritingAtPath: file))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data(text.utf8))
        try handle.close()
    }

    @Test func readsWhatItSaves() throws {
        try folder.save(checkpoint(10))
        let read = try folder.read(10)
        #expect(read.state == checkpoint(10).state)
        #expect(read.model["weight"]?.scalars(Float.self) == [10, 2, 3])
        #expect(read.optimizer["optimizer.0.0.step"]?.scalars(Float.self) == [10])
    }

    @Test func keepsTheNewestTwoAndTheSelected() throws {
        for step in [10, 20, 30, 40] { try folder.save(checkpoint(step)) }
        folder.prune(keeping: [10])
        #expect(folder.steps == [10, 30, 40])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 3)
    }

    /// Killed while it was removed, a checkpoint is gone, and not one without files.
    @Test func aRemovedOneIsGone() throws {
        for step in [10, 20] { try folder.save(checkpoint(step)) }
        try FileManager.default.moveItem(atPath: folder.folder(10), toPath: folder.folder(10) + ".gone")
        try FileManager.default.removeItem(atPath: folder.folder(10) + ".gone/state.json")
        var warnings: [String] = []
        #expect(try folder.latest { warnings.append($0) }?.state.step == 20)
        #expect(warnings.isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["step-20"])
    }

    @Test(arguments: ["model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"])
    func fallsBackFromADamagedOne(_ name: String) throws {
        try folder.save(checkpoint(10))
        try folder.save(checkpoint(20))
        let file = "\(folder.folder(20))/\(name)"
        var bytes = try #require(FileManager.default.contents(atPath: file))
        bytes[bytes.count - 3] ^= 0x55
        try bytes.write(to: URL(fileURLWithPath: file))
        var warnings: [String] = []
        #expect(try folder.latest { warnings.append($0) }?.state.step == 10)
        #expect(warnings.count == 1)
        #expect(warnings.first?.contains("step-20") == true)

        try FileManager.default.removeItem(atPath: file)
        #expect(throws: UserError.self) { try folder.read(20) }
    }

    @Test func noticesATruncatedFile() throws {
        try folder.save(checkpoint(10))
        let file = "\(folder.folder(10))/model.safetensors"
        let bytes = try #require(FileManager.default.contents(atPath: file))
        try bytes.dropLast(4).write(to: URL(fileURLWithPath: file))
        #expect { try folder.read(10) } throws: {
            "\($0)".hasPrefix("\(file): \(bytes.count - 4) bytes in place of \(bytes.count)")
        }
    }

    @Test func tidiesUpAfterAKill() throws {
        try folder.save(checkpoint(10))
        // Killed while step 20 was written, and again while step 10 made way for a new one.
        try FileManager.default.copyItem(atPath: folder.folder(10), toPath: folder.folder(20) + ".tmp")
        try FileManager.default.moveItem(atPath: folder.folder(10), toPath: folder.folder(10) + ".old")
        #expect(try folder.latest { _ in }?.state.step == 10)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["step-10"])
        // Saving a step again replaces it.
        try folder.save(checkpoint(10))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["step-10"])
    }

    @Test func findsNothingInNothing() throws {
        #expect(try folder.latest { _ in }?.state == nil)
    }
}
