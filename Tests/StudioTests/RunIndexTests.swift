import Experiments
import Foundation
import Foundations
import TestSupport
import Testing

@testable import Studio

struct RunIndexTests {
    @Test("runs are found in sweeps' folders, too, and each is in the state that its folder tells")
    func states() throws {
        let folder = try TemporaryFolder()
        try RunFixture.done(folder, "sweep/deep/done", variant: "SWAD")
        try folder.write(RunFixture.configuration(held: "a, b", steps: 40), to: "stopped/config.yaml")
        try folder.write(
            RunFixture.row(step: 10) + RunFixture.row(step: 20) + "{\"step\": 3", to: "stopped/results.jsonl")
        try folder.write(RunFixture.configuration(), to: "failed/config.yaml")
        try folder.write("loss is not finite\n", to: "failed/failed")
        try folder.write(RunFixture.configuration(), to: "sweep/live/config.yaml")
        let lock = try FolderLock(folder.path("sweep/live"), option: "--run-dir")
        try folder.write("nothing", to: "sweep/members/x.yaml")
        try folder.write(RunFixture.configuration(), to: ".hidden/config.yaml")

        let index = try RunIndex(folder.path, threads: 2)
        let entries = index.entries()
        #expect(entries.map(\.path) == ["failed", "stopped", "sweep/deep/done", "sweep/live"])
        #expect(entries.map(\.state) == [.failed, .stopped, .done, .training])
        let done = entries[2]
        #expect(done.method == "SWAD" && done.dataset == "EmojiDG" && done.heldOut == ["unifont"])
        #expect(done.step == 300 && done.steps == 300 && done.sourceValidation == 0.75 && done.unseen == 0.25)
        let stopped = entries[1]
        #expect(stopped.step == 20 && stopped.steps == 40 && stopped.heldOut == ["a", "b"] && stopped.method == "ERM")
        #expect(abs((stopped.sourceValidation ?? 0) - 0.7) < 1e-12 && stopped.unseen == nil)
        withExtendedLifetime(lock) {}
    }

    @Test("a run that trains is at the step of its events, and is stopped once its process is gone")
    func training() throws {
        let folder = try TemporaryFolder()
        try folder.write(RunFixture.configuration(), to: "run/config.yaml")
        let index = try RunIndex(folder.path, threads: 1)
        #expect(index.entries().first?.state == .stopped)
        var lock: FolderLock? = try FolderLock(folder.path("run"), option: "--run-dir")
        let events = try EventWriter(folder: folder.path("run"))
        for step in 1...7 { try events.add("train/loss", 1 / Double(step), step: step) }
        #expect(index.entries().first?.state == .training && index.run("run")?.step == 7)
        try events.add("train/loss", 0.1, step: 8)
        #expect(index.run("run")?.step == 8)
        lock = nil
        #expect(lock == nil && index.entries().first?.state == .stopped)
    }

    @Test("what was read stays until the folder's time of modification says that it changed")
    func cache() throws {
        let folder = try TemporaryFolder()
        try RunFixture.done(folder, "run")
        RunFixture.touch(folder.path("run"), 1_000_000)
        RunFixture.touch(folder.path, 1_000_000)
        let index = try RunIndex(folder.path, threads: 1)
        #expect(index.entries().first?.unseen == 0.25)
        // In place, which changes nothing of the folder.
        try Data(RunFixture.summary(accuracy: 0.5).utf8).write(to: folder.url("run/summary.json"), options: [])
        #expect(index.entries().first?.unseen == 0.25)
        RunFixture.touch(folder.path("run"), 1_000_001)
        #expect(index.entries().first?.unseen == 0.5)
        // As runs write: a file takes the other's place. A new run, and one that is gone.
        try folder.write(RunFixture.summary(accuracy: 0.75), to: "run/summary.json")
        try RunFixture.done(folder, "next")
        #expect(index.entries().map(\.unseen) == [0.25, 0.75])
        Files.remove(folder.path("run"))
        #expect(index.entries().map(\.path) == ["next"])
    }

    @Test("links lead nowhere, and what is no run has no page")
    func links() throws {
        let folder = try TemporaryFolder()
        let outside = try TemporaryFolder()
        try RunFixture.done(outside, "secret")
        try RunFixture.done(folder, "runs/own")
        for (name, target) in [("link", outside.path("secret")), ("all", outside.path)] {
            try FileManager.default.createSymbolicLink(
                atPath: folder.path("runs/\(name)"), withDestinationPath: target)
        }
        try folder.write("", to: "runs/odd/x")
        try FileManager.default.createSymbolicLink(
            atPath: folder.path("runs/odd/config.yaml"), withDestinationPath: outside.path("secret/config.yaml"))
        let index = try RunIndex(folder.path("runs"), threads: 1)
        #expect(index.entries().map(\.path) == ["own"])
        for path in ["link", "all/secret", "../runs/own", "own/", "./own", "", ".", "..", "/own", "odd"] {
            #expect(index.run(path) == nil, "\(path)")
        }
        #expect(FileTail.lines(folder.path("runs/odd/config.yaml")) == nil)
        // A folder that is named by a link is its user's wish.
        try FileManager.default.createSymbolicLink(
            atPath: folder.path("named"), withDestinationPath: folder.path("runs"))
        #expect(try RunIndex(folder.path("named"), threads: 1).run("own") != nil)
        #expect(throws: UserError.self) { try RunIndex(folder.path("nowhere"), threads: 1) }
    }

    @Test("settings are found line by line, and by the parser where they are written in another way")
    func heads() throws {
        let plain = try RunHead(
            text: Data(RunFixture.configuration(variant: "DomainFusion - 2", held: "a, b-c").utf8))
        #expect(plain.algorithm == "ERM" && plain.variant == "DomainFusion - 2" && plain.heldOut == ["a", "b-c"])
        #expect(plain.data == "data/EmojiDG" && plain.steps == 300)
        let odd = try RunHead(
            text: Data(
                RunFixture.configuration(variant: "\"<i>\"", data: "'it''s: mine'", held: "'a, b', c").utf8))
        #expect(odd.variant == "<i>" && odd.data == "it's: mine" && odd.heldOut == ["a, b", "c"])
        let short = try RunHead(text: Data("algorithm: {name: MMD}\ntestDomains: [x]\n".utf8))
        #expect(short.algorithm == "MMD" && short.heldOut == ["x"] && short.steps == 0)
        #expect(throws: UserError.self) { try RunHead(text: Data("a: [".utf8)) }
        // The network's name is not the algorithm's.
        let unnamed = RunFixture.configuration().replacing("  name: ERM\n", with: "")
        #expect(try RunHead(text: Data(unnamed.utf8)).algorithm.isEmpty)
    }

    @Test("a long run keeps its shape in fewer points, and a step that is written again counts once")
    func history() throws {
        let folder = try TemporaryFolder()
        try AtomicFile.makeFolder(folder.path("run"))
        let events = try EventWriter(folder: folder.path("run"))
        let start = Date(timeIntervalSince1970: 1000)
        for step in [1, 2, 3, 2, 3, 4] {
            try events.add("train/loss", Double(step), step: step, time: start.addingTimeInterval(2 * Double(step)))
        }
        try events.add("train/loss", .nan, step: 5)
        try events.add("train/accuracy", 1, step: 5)
        var history = RunHistory(folder: folder.path("run"))
        history.read()
        #expect(history.losses.keys.sorted() == ["loss"])
        #expect(history.losses["loss"]?.map(\.step) == [1, 2, 3, 4] && history.step == 4)
        #expect(abs((history.secondsPerStep ?? 0) - 2) < 1e-6)
        let points = (0..<1000).map { RunHistory.Point(step: $0, value: 2 * Double($0)) }
        let thin = RunHistory.thinned(points, to: 100)
        #expect(thin.count == 100 && thin.allSatisfy { abs($0.y - 2 * $0.x) < 1e-9 })
    }
}
