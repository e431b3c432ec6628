import Foundation
import TestSupport
import Testing

@testable import Experiments

/// A process may be killed between any two changes: the next one finds the old run, or the new one, whole.
struct OldRunTests {
    let temporary: TemporaryFolder
    let run: OldRun
    private let names = [
        "config.yaml", "done", "environment.json", "events.out.tfevents.1.host.2.0", "results.jsonl", "summary.json",
    ]

    init() throws {
        temporary = try TemporaryFolder()
        run = OldRun(folder: temporary.path)
        for name in names { try write("old", name) }
        try write("the user's own", "notes.txt")
    }

    private func write(_ text: String, _ name: String) throws {
        let path = "\(temporary.path)/\(name)"
        try FileManager.default.createDirectory(
            atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path, withIntermediateDirectories: true)
        try text.write(toFile: path, atomically: true, encoding: .utf8)
    }

    private func move(_ from: String, _ to: String) throws {
        try FileManager.default.moveItem(atPath: "\(temporary.path)/\(from)", toPath: "\(temporary.path)/\(to)")
    }

    /// The folder's files and their contents.
    private func contents() throws -> [String: String] {
        var result: [String: String] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: temporary.path) {
            result[name] = try String(contentsOfFile: "\(temporary.path)/\(name)", encoding: .utf8)
        }
        return result
    }

    private var whole: [String: String] {
        var result = Dictionary(uniqueKeysWithValues: names.map { ($0, "old") })
        result["notes.txt"] = "the user's own"
        return result
    }

    @Test func comesBackWhenTheNewOneFails() throws {
        try run.setAside()
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: temporary.path).sorted() == [
                ".before-restart", "notes.txt",
            ])
        try write("new", "config.yaml")
        try write("new", "ledger.json")
        run.bringBack()
        #expect(try contents() == whole)
    }

    @Test func isForgottenWhenTheNewOneHasBegun() throws {
        try run.setAside()
        try write("new", "config.yaml")
        run.forget()
        run.bringBack()
        #expect(try contents() == ["config.yaml": "new", "notes.txt": "the user's own"])
    }

    @Test func survivesAKillWhileItIsSetAside() throws {
        for moved in 0...names.count {
            try FileManager.default.createDirectory(
                atPath: "\(temporary.path)/.moving", withIntermediateDirectories: true)
            for name in names.prefix(moved) { try move(name, ".moving/\(name)") }
            run.bringBack()
            #expect(try contents() == whole, "killed after \(moved) files")
        }
    }

    @Test func survivesAKillWhileItComesBack() throws {
        for done in 0...names.count {
            try run.setAside()
            // Killed while the new run's files were removed, and again while the old one's were put back.
            try write("new", "summary.json")
            try write("new", "results.jsonl")
            try FileManager.default.removeItem(atPath: "\(temporary.path)/results.jsonl")
            if done > 0 {
                try FileManager.default.removeItem(atPath: "\(temporary.path)/summary.json")
                try move(".before-restart", ".moving")
                for name in names.prefix(done) { try move(".moving/\(name)", name) }
            }
            run.bringBack()
            #expect(try contents() == whole, "killed after \(done) files")
        }
    }

    @Test func survivesAKillWhileItIsForgotten() throws {
        try run.setAside()
        try write("new", "config.yaml")
        try move(".before-restart", ".forgotten")
        try FileManager.default.removeItem(atPath: "\(temporary.path)/.forgotten/done")
        run.bringBack()
        #expect(try contents() == ["config.yaml": "new", "notes.txt": "the user's own"])
    }
}
