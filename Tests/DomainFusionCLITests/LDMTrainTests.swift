import Foundation
import Foundations
import Testing

struct LDMTrainTests {
    private let program: Program

    init() throws {
        program = try Program()
    }

    /// Makes `corpus`: forty images of noise, one of them of a held-out item.
    private func makeCorpus() throws {
        var lines = ""
        for index in 0..<40 {
            let item = String(0x1F400 + index, radix: 16, uppercase: true)
            let path = "noto/animal/\(item).png"
            try program.write(Program.png(seed: index), to: "corpus/\(path)")
            lines += """
                {"path": "\(path)", "item": "\(item)", "name": "beast \(index)", "subgroup": "animal-mammal", \
                "class": "animal", "domain": "noto", "style": "shaded colour", "split": "corpus", "unseen": false, \
                "licence": "none", "package": "none", "version": "1", "sha256": ""}

                """
        }
        try program.write(lines, to: "corpus/manifest.jsonl")
    }

    private func train(steps: Int, seed: Int = 0, end: ((Process) throws -> Void)? = nil) throws -> ProgramResult {
        try program.run(
            [
                "ldm", "train", "vae", "--corpus", "corpus", "--image-size", "40", "--batch-size", "4", "--work",
                "work",
                "--output", "model", "--steps", "\(steps)", "--seed", "\(seed)", "--threads", "1",
            ], end: end)
    }

    @Test func savesOnASignalAndGoesOn() throws {
        try makeCorpus()
        let stopped = try train(steps: 100_000) { process in
            let deadline = Date().addingTimeInterval(120)
            // The first line of the log comes after a hundred steps.
            while process.isRunning, !program.exists("work/log.jsonl") {
                try #require(Date() < deadline)
                Thread.sleep(forTimeInterval: 0.01)
            }
            kill(process.processIdentifier, SIGINT)
        }
        #expect(stopped.status == 128 + SIGINT, "\(stopped.errors)")
        #expect(stopped.errors.contains("interrupted: state saved in work; the same command goes on from there"))
        #expect(!program.exists("model/vae"))

        let resumed = try train(steps: 101)
        #expect(resumed.status == 0, "\(resumed.errors)")
        let step = resumed.output.firstMatch(of: /going on from step (\d+)/).flatMap { Int($0.1) }
        #expect(try #require(step) >= 100)
        #expect(program.exists("model/vae/diffusion_pytorch_model.safetensors"))

        // The checkpoint is of this training, not of another.
        let other = try train(steps: 101, seed: 5)
        #expect(other.status == 1)
        #expect(other.errors.contains("work: the training there has other settings (seed is 5 now and was 0)"))
    }

    /// A checkpoint of which one bit has changed is not used; the one before it is.
    @Test func fallsBackFromADamagedCheckpoint() throws {
        try makeCorpus()
        func train(_ work: String) throws -> ProgramResult {
            try program(
                "ldm", "train", "vae", "--corpus", "corpus", "--image-size", "40", "--batch-size", "2", "--work", work,
                "--output", "\(work)-model", "--steps", "4", "--evaluate-every", "2", "--threads", "1")
        }
        let first = try train("work")
        #expect(first.status == 0, "\(first.errors)")
        let names = try FileManager.default.contentsOfDirectory(atPath: "\(program.folder)/work/checkpoint").sorted()
        #expect(names == ["step-2", "step-4"])
        let weights = "work-model/vae/diffusion_pytorch_model.safetensors"
        let (model, log) = (program.contents(weights), program.contents("work/log.jsonl"))
        let file = "work/checkpoint/step-4/training.safetensors"
        var bytes = try #require(program.contents(file))
        bytes[bytes.count / 2] ^= 4
        try program.write(bytes, to: file)
        try FileManager.default.removeItem(atPath: "\(program.folder)/\(weights)")

        let second = try train("work")
        #expect(second.status == 0, "\(second.errors)")
        #expect(second.errors.contains("warning: \(file): its content is damaged"))
        #expect(second.output.contains("going on from step 2"))
        #expect(program.contents(weights) == model && model != nil)
        #expect(program.contents("work/log.jsonl") == log)

        for step in [2, 4] { try program.write("{}", to: "work/checkpoint/step-\(step)/state.json") }
        let third = try train("work")
        #expect(third.isPlainError)
        #expect(third.errors.contains("work/checkpoint: no checkpoint in it is whole"))
    }

    /// A model of a data set's source domains, from nothing to a picture; its last steps are another process's.
    @Test(.enabled(if: InstalledFiles.here.find(InstalledFiles.vocabulary) != nil))
    func trainsOnTheSourceDomainsOfADataSet() throws {
        for (number, domain) in ["photo", "drawing", "sketch"].enumerated() {
            for index in 0..<5 {
                try program.write(Program.png(seed: 10 * number + index), to: "set/\(domain)/cat/\(index).png")
            }
        }
        let found = try #require(InstalledFiles.here.find(InstalledFiles.vocabulary))
        let vocabulary = URL(fileURLWithPath: found).path
        func train(_ part: String, steps: Int) throws -> ProgramResult {
            try program.run(
                [
                    "ldm", "train", part, "--corpus", "set", "--test-domain", "sketch", "--style", "photo=photograph",
                    "--image-size", "32", "--batch-size", "2", "--work", "work-\(part)", "--output", "model", "--steps",
                    "\(steps)", "--evaluate-every", "2", "--threads", "1",
                ] + (part == "unet" ? ["--vocabulary", vocabulary] : []))
        }
        for (part, steps) in [("vae", 2), ("unet", 2), ("unet", 3)] {
            let result = try train(part, steps: steps)
            #expect(result.status == 0, "\(result.errors)")
        }
        let sheet = try program(
            "ldm", "sheet", "--ldm", "model", "--subject", "cat", "--style", "photograph", "--style", "drawing",
            "--prompt", "{a style} of {a class}", "--steps", "2", "--output", "sheet.png")
        #expect(sheet.status == 0, "\(sheet.errors)")
        let unknown = try program(
            "ldm", "train", "vae", "--corpus", "set", "--test-domain", "sketches", "--output", "model")
        #expect(unknown.isPlainError)
        #expect(unknown.errors.contains("no domain 'sketches'"))
    }
}
