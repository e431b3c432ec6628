import Foundation
import Foundations
import Testing
import Torch

@Suite(.serialized)
struct LaunchCommandTests {
    let program: Program

    init() throws {
        program = try Program()
        try program.makeDataset()
    }

    /// The command that trains the smallest network for eight steps.
    private func training(_ folder: String, _ more: [String] = []) -> [String] {
        [
            "train", "--data", "set", "--test-domain", "c", "--weights", "none", "--image-size", "32", "--batch-size",
            "4", "--steps", "8", "--save-every", "2", "--evaluate-every", "4", "--threads", "1", "--device", "cpu",
            "--run-dir", folder,
        ] + more
    }

    private func launched(
        _ folder: String, _ more: [String] = [], end: ((Process) throws -> Void)? = nil
    ) throws -> ProgramResult {
        try program.run(["launch", "--nproc", "2"] + training(folder, more), end: end)
    }

    /// The largest difference between numbers of the models of two runs.
    private func difference(_ one: String, _ other: String, where isAsked: (String) -> Bool) throws -> Double {
        let models = try [one, other].map {
            try StateDict(safetensors: "\(program.folder)/\($0)/checkpoint/step-8/model.safetensors")
        }
        #expect(models[0].names.sorted() == models[1].names.sorted())
        return try models[0].names.filter(isAsked).map { name in
            let (a, b) = (try #require(models[0][name]), try #require(models[1][name]))
            return (a.to(dtype: .float64) - b.to(dtype: .float64)).abs().max().item()
        }.max() ?? .infinity
    }

    /// With batch norm frozen, rounding apart, the parameters of one process.
    @Test func twoProcessesTrainAsOneDoes() throws {
        let settings = ["--set", "backbone.freezeBatchNorm=true", "--set", "backbone.dropout=0"]
        let one = try program.run(training("one", settings))
        #expect(one.status == 0, "\(one.errors)")
        let two = try launched("two", settings)
        #expect(two.status == 0, "\(two.errors)")
        #expect(two.errors.contains(", 2 processes, run in two"))
        // One of them speaks.
        #expect(two.output.components(separatedBy: "two: done").count == 2)
        #expect(try difference("one", "two") { _ in true } < 1e-4)
        #expect(program.contents("two/predictions.jsonl") != nil)
    }

    /// One process that takes the images in four parts, two that take theirs in two, four that take theirs at once.
    @Test func partsAndProcessesAreOne() throws {
        let settings = [
            "--set", "backbone.freezeBatchNorm=true", "--set", "backbone.dropout=0", "--learning-rate", "5e-5",
        ]
        #expect(try program.run(training("1x4", settings + ["--set", "accumulation=4"])).status == 0)
        #expect(try launched("2x2", settings + ["--set", "accumulation=2"]).status == 0)
        #expect(try program.run(["launch", "--nproc", "4"] + training("4x1", settings)).status == 0)
        #expect(try difference("1x4", "2x2") { _ in true } < 1e-5)
        #expect(try difference("1x4", "4x1") { _ in true } < 1e-5)
    }

    /// Two processes begin, one goes on.
    @Test func anotherNumberOfProcessesGoesOn() throws {
        let settings = [
            "--set", "backbone.freezeBatchNorm=true", "--set", "backbone.dropout=0", "--learning-rate", "5e-5",
        ]
        #expect(try program.run(training("whole", settings)).status == 0)
        _ = try launched("changed", settings) { launcher in
            try program.wait(for: launcher) { program.exists("changed/checkpoint/step-2") }
            for child in children(of: launcher) { kill(child, SIGKILL) }
        }
        #expect(!program.exists("changed/done"))
        let one = try program.run(training("changed", settings))
        #expect(one.status == 0 && one.errors.contains("goes on after step"), "\(one.errors)")
        #expect(try difference("whole", "changed") { _ in true } < 1e-5)
    }

    /// Each process's batch norm by its own images: the first one's statistics are kept.
    @Test func batchNormCanStayWithAProcess() throws {
        let own = try launched("own", ["--set", "backbone.syncBatchNorm=false"])
        #expect(own.status == 0, "\(own.errors)")
        #expect(try launched("all").status == 0)
        #expect(try difference("own", "all") { $0.contains("running_") } > 1e-3)
    }

    /// After a step: the parameters of images in so small a batch tell nothing, since Adam takes a step of full length along
    /// a gradient that rounding alone makes.
    @Test func batchNormSeesTheImagesOfAll() throws {
        let settings =
            ["--set", "steps=8", "--set", "backbone.freezeBatchNorm=false", "--set", "backbone.dropout=0"]
            + ["--learning-rate", "1e-12"]
        #expect(try program.run(training("one", settings)).status == 0)
        let two = try launched("two", settings)
        #expect(two.status == 0, "\(two.errors)")
        #expect(try difference("one", "two") { $0.contains("running_") } < 1e-3)
    }

    /// The processes that a process has started, in order.
    private func children(of process: Process) -> [pid_t] {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return all.compactMap { pid_t($0) }.filter { number in
            let status = try? String(contentsOfFile: "/proc/\(number)/status", encoding: .utf8)
            return status?.contains("\nPPid:\t\(process.processIdentifier)\n") == true
        }.sorted()
    }

    /// One of them is killed: the other ends at once, with a line, and the same command ends as an undisturbed one does.
    @Test func aKilledProcessEndsAll() throws {
        #expect(try launched("whole").status == 0)
        let clock = ContinuousClock()
        var killed = clock.now
        let broken = try launched("killed") { launcher in
            try program.wait(for: launcher) { program.exists("killed/checkpoint/step-2") }
            let children = children(of: launcher)
            try #require(children.count == 2)
            kill(children[1], SIGKILL)
            killed = clock.now
        }
        #expect(clock.now - killed < .seconds(60))
        #expect(broken.status == 128 + SIGKILL && broken.errors.contains("process 1 of 2 was ended by signal 9"))
        #expect(!program.exists("killed/done"))
        let again = try launched("killed")
        #expect(again.status == 0 && again.errors.contains("goes on after step"), "\(again.errors)")
        for file in ["checkpoint/step-8/model.safetensors", "predictions.jsonl"] {
            #expect(program.contents("killed/\(file)") == program.contents("whole/\(file)"))
        }
    }

    @Test func aSignalSavesTheState() throws {
        let stopped = try launched("stopped", ["--set", "steps=100000", "--set", "saveEvery=100000"]) { launcher in
            try program.wait(for: launcher) { program.exists("stopped/classes.json") }
            Thread.sleep(forTimeInterval: 2)
            kill(launcher.processIdentifier, SIGTERM)
        }
        #expect(stopped.status == 128 + SIGTERM, "\(stopped.errors)")
        #expect(stopped.errors.contains("state saved in stopped; the same command goes on from there"))
        #expect(program.exists("stopped/checkpoint") && !program.exists("stopped/failed"))
    }

    @Test func whatCannotBeSharedIsRefused() throws {
        let coral = try launched("coral", ["--algorithm", "CORAL"])
        #expect(coral.status != 0)
        #expect(coral.errors.contains("error: CORAL cannot be trained by 2 processes: its loss compares the images"))
        #expect(!program.exists("coral/checkpoint"))
        let odd = try launched("odd", ["--set", "batchSize=3"])
        #expect(
            odd.errors.contains("error: --batch-size 3 cannot be shared evenly by 2 processes; choose a multiple of 2"))
        let uneven = try launched("uneven", ["--set", "accumulation=4"])
        #expect(
            uneven.errors.contains(
                "error: accumulation: 4 parts do not divide 2, a process's images of a domain; choose a divisor of it"))
        let none = try program("launch", "--nproc", "2")
        #expect(none.isPlainError)
        let unknown = try program("launch", "--nproc", "2", "trian")
        #expect(unknown.isPlainError)
    }
}
