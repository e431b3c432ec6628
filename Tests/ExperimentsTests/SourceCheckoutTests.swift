import Foundation
import TestSupport
import Testing

@testable import Experiments

struct SourceCheckoutTests {
    private func git(_ folder: String, _ arguments: String...) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["git", "-C", folder] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test func namesTheCommitThatAProgramWasBuiltIn() throws {
        let folder = try TemporaryFolder()
        let program = URL(fileURLWithPath: "\(folder.path)/.build/release/domainfusion")
        try FileManager.default.createDirectory(
            at: program.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data("one".utf8).write(to: URL(fileURLWithPath: "\(folder.path)/file"))
        try Data().write(to: program)
        #expect(SourceCheckout.commit(of: program) == nil)

        _ = try git(folder.path, "init")
        _ = try git(folder.path, "add", "file")
        _ = try git(
            folder.path, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--no-verify", "-m",
            "Add a file")
        let head = try git(folder.path, "rev-parse", "HEAD")
        #expect(head.count == 40)
        #expect(SourceCheckout.commit(of: program) == head)
        try Data("two".utf8).write(to: URL(fileURLWithPath: "\(folder.path)/file"))
        #expect(SourceCheckout.commit(of: program) == head + "-dirty")
        // A program that was installed elsewhere, though in some checkout, says nothing of that one.
        #expect(SourceCheckout.commit(of: URL(fileURLWithPath: "\(folder.path)/domainfusion")) == nil)
    }
}
