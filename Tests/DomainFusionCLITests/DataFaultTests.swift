import Foundation
import Pixels
import Testing

/// Data that are damaged, gone elsewhere, or in a form that is not read as it is.
struct DataFaultTests {
    let program: Program

    init() throws {
        program = try Program()
        try program.makeDataset()
    }

    private func train(_ folder: String, _ more: String...) throws -> ProgramResult {
        try program.run(
            [
                "train", "--data", "set", "--test-domain", "c", "--weights", "none", "--image-size", "32",
                "--batch-size", "2", "--steps", "1", "--threads", "1", "--device", "cpu", "--run-dir", folder,
            ] + more)
    }

    /// A PNG with one bit of its pixels' chunk changed: its checksum tells, the pixels decode all the same.
    private func damaged() throws -> [UInt8] {
        var bytes = try Program.png(seed: 99)
        bytes[bytes.count - 12 - 5] ^= 1
        return bytes
    }

    /// What a run left out, its evaluation leaves out.
    @Test func theRunsOwnSettingCounts() throws {
        try program.write(damaged(), to: "set/b/dog/9.png")
        for seed in ["0", "1"] {
            let trained = try train("run\(seed)", "--skip-corrupt", "--set", "holdoutFraction=0.5")
            #expect(trained.status == 0, "\(trained.errors)")
            #expect(trained.errors.contains("left out 1 images that cannot be read: set/b/dog/9.png"))
        }
        #expect(try train("strict").errors.contains("the checksum of a chunk IDAT is wrong"))
        for arguments in [
            ["eval", "run0"], ["eval", "run0", "run1", "--combine", "average"],
            ["eval", "run0", "run0", "--combine", "greedy"],
        ] {
            let result = try program.run(arguments + ["--threads", "1"])
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.errors.contains("warning: left out 1 images that cannot be read: set/b/dog/9.png"))
            #expect(result.output.contains("b: ") && result.output.contains(" of 8 images"))
        }
        let checked = try program("data", "check", "set")
        #expect(checked.status == 1 && checked.errors.contains("the checksum of a chunk IDAT is wrong"))
    }

    @Test func dataThatMovedAreFoundAgain() throws {
        for run in ["run", "other"] { #expect(try train(run, "--set", "holdoutFraction=0.5").status == 0) }
        try FileManager.default.moveItem(atPath: "\(program.folder)/set", toPath: "\(program.folder)/moved")
        for arguments in [["eval", "run"], ["eval", "run", "other", "--combine", "greedy"]] {
            let lost = try program.run(arguments)
            #expect(lost.isPlainError && lost.errors.contains("set: no such folder"), "\(lost.errors)")
            #expect(lost.errors.contains("name their folder with --data"))
            let found = try program.run(arguments + ["--data", "moved", "--threads", "1"])
            #expect(found.status == 0, "\(found.errors)")
        }
    }

    @Test func unreadFormatsAndAnimationsAreTold() throws {
        let gif: [UInt8] = Array("GIF89a".utf8) + [1, 0, 1, 0, 0, 0, 0, 0x3B]
        try program.write(gif, to: "set/a/dog/x.gif")
        try program.write(gif, to: "set/b/dog/x.TIFF")
        let result = try train("run")
        #expect(result.status == 0)
        #expect(
            result.errors.contains(
                "warning: set: left out 2 images in formats that are not read (.gif, .tiff); convert them to png or jpg"
            ))
        let checked = try program("data", "check", "set")
        #expect(checked.output.contains("images in formats that are not read, not used: 2\n  set/a/dog/x.gif"))
    }
}
