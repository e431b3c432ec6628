import Foundation
import Testing

@Suite(.serialized)
struct TrainCommandTests {
    let program: Program

    init() throws {
        program = try Program()
        try program.makeDataset()
    }

    /// Trains the smallest network on the smallest data set for eight steps.
    private func train(
        _ folder: String, _ more: String..., end: ((Process) throws -> Void)? = nil
    ) throws -> ProgramResult {
        let arguments =
            [
                "train", "--data", "set", "--test-domain", "c", "--weights", "none", "--image-size", "32",
                "--batch-size",
                "2", "--steps", "8", "--save-every", "2", "--evaluate-every", "8", "--threads", "1", "--device", "cpu",
                "--run-dir", folder,
            ] + more
        return try program.run(arguments, end: end)
    }

    @Test func trainsEvaluatesAndPredicts() throws {
        let trained = try train("run", "--algorithm", "FourierMix", "--set", "algorithm.hyperparameters.share=1")
        #expect(trained.status == 0, "\(trained.errors)")
        #expect(trained.output.contains("unseen domain c: accuracy "))
        for file in ["config.yaml", "environment.json", "results.jsonl", "summary.json", "predictions.jsonl", "done"] {
            #expect(program.exists("run/\(file)"))
        }

        let evaluated = try program("eval", "run", "--threads", "1")
        #expect(evaluated.status == 0, "\(evaluated.errors)")
        #expect(evaluated.output.contains("of 8 images"))
        #expect(evaluated.output.contains("held out"))

        let predicted = try program("predict", "set/a/cat/0.png", "set/c/dog/1.png", "--run", "run", "--json")
        #expect(predicted.status == 0, "\(predicted.errors)")
        let lines = predicted.output.split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines[0].contains("\"image\":\"set/a/cat/0.png\""))

        // The same command again says what came out; other settings are refused.
        let again = try train("run", "--algorithm", "FourierMix", "--set", "algorithm.hyperparameters.share=1")
        #expect(again.status == 0)
        #expect(again.output.contains("run: done"))
        let other = try train("run")
        #expect(other.isPlainError)
        #expect(other.errors.contains("holds a run with other settings (algorithm.hyperparameters"))
    }

    /// A process killed at any instant, again and again, ends with the same bytes as an undisturbed one.
    @Test func survivesKills() throws {
        #expect(try train("whole").status == 0)
        for attempt in 0..<5 {
            _ = try train("killed") { process in
                // In the middle of a save, or soon after a start.
                let isSaving = attempt % 2 == 0
                try program.wait(for: process) {
                    let names = try? FileManager.default.contentsOfDirectory(
                        atPath: "\(program.folder)/killed/checkpoint")
                    return isSaving ? names?.contains { $0.hasSuffix(".tmp") } == true : names != nil
                }
                if !isSaving { Thread.sleep(forTimeInterval: 0.7 * Double(attempt)) }
                kill(process.processIdentifier, SIGKILL)
            }
        }
        let last = try train("killed")
        #expect(last.status == 0, "\(last.errors)")
        let model = "checkpoint/step-8/model.safetensors"
        #expect(program.contents("whole/\(model)") != nil)
        #expect(program.contents("killed/\(model)") == program.contents("whole/\(model)"))
        #expect(program.contents("killed/predictions.jsonl") == program.contents("whole/predictions.jsonl"))
    }

    @Test(arguments: [SIGTERM, SIGINT])
    func savesOnASignal(_ signal: Int32) throws {
        let stopped = try train("stopped", "--set", "steps=100000", "--set", "saveEvery=100000") { process in
            // Then the training loop is about to begin or runs.
            try program.wait(for: process) { program.exists("stopped/classes.json") }
            Thread.sleep(forTimeInterval: 2)
            kill(process.processIdentifier, signal)
        }
        #expect(stopped.status == 128 + signal, "\(stopped.errors)")
        #expect(stopped.errors.contains("state saved in stopped; the same command goes on from there"))
        #expect(program.exists("stopped/checkpoint"))
        #expect(!program.exists("stopped/failed"))
    }
}
