import Foundation
import Testing

/// What a user can get wrong ends in one line that names the file and the remedy.
@Suite(.serialized)
struct BadInputTests {
    let program: Program

    init() throws {
        program = try Program()
        try program.makeDataset()
    }

    private func train(_ more: String...) throws -> ProgramResult {
        try program.run(
            [
                "train", "--data", "set", "--test-domain", "c", "--weights", "none", "--image-size", "32",
                "--batch-size",
                "2", "--steps", "1", "--threads", "1", "--run-dir", "run",
            ] + more)
    }

    private func expect(_ result: ProgramResult, _ parts: String..., location: SourceLocation = #_sourceLocation) {
        #expect(result.isPlainError, "status \(result.status): \(result.errors)", sourceLocation: location)
        for part in parts {
            #expect(result.errors.contains(part), "\(result.errors)", sourceLocation: location)
        }
    }

    /// Makes files that are no images where images are expected.
    private func makeBadImages() throws -> [String: String] {
        let png = try Program.png(seed: 1)
        try program.write(png.prefix(png.count / 2), to: "truncated.png")
        try program.write("", to: "empty.png")
        try program.write("hello", to: "text.png")
        try FileManager.default.createDirectory(
            atPath: "\(program.folder)/folder.png", withIntermediateDirectories: true)
        return [
            "truncated.png": "truncated PNG", "empty.png": "the file is empty", "text.png": "not an image",
            "folder.png": "not a regular file", "missing.png": "no such file",
        ]
    }

    @Test func predictRefusesWhatIsNoImage() throws {
        let bad = try makeBadImages()
        #expect(try train().status == 0)
        for (file, reason) in bad {
            let result = try program("predict", "set/a/cat/0.png", file, "--run", "run")
            expect(result, "error: \(file): ", reason)
            #expect(result.output.hasPrefix("set/a/cat/0.png: ") && result.output.split(separator: "\n").count == 1)
        }
        let several = try program.run(["predict"] + bad.keys.sorted() + ["set/c/dog/1.png", "--run", "run", "--json"])
        #expect(several.status == 1 && several.errorLines.count == bad.count)
        #expect(several.output.split(separator: "\n").count == 1 && several.output.contains("set/c/dog/1.png"))
        expect(try program("predict", "set/a/cat/0.png", "--run", "set"), "set: no run in this folder")
        expect(try program("predict", "--run", "run"), "images")

        // Damaged checkpoints.
        let model = "\(program.folder)/run/checkpoint/step-1/model.safetensors"
        let whole = try #require(FileManager.default.contents(atPath: model))
        try whole.dropLast(100).write(to: URL(fileURLWithPath: model))
        // A finished run has its result whatever becomes of them.
        #expect(try train().status == 0)
        try FileManager.default.removeItem(atPath: "\(program.folder)/run/done")
        expect(
            try program("predict", "set/a/cat/0.png", "--run", "run"), "step-1/model.safetensors: ", "bytes in place of"
        )
        expect(try train(), "no checkpoint in it is whole", "--restart")
        try FileManager.default.removeItem(atPath: "\(program.folder)/run/checkpoint")
        expect(try program("predict", "set/a/cat/0.png", "--run", "run"), "no checkpoint yet")
    }

    @Test func trainAndCheckRefuseBadData() throws {
        for (file, reason) in try makeBadImages() where file != "missing.png" {
            try FileManager.default.moveItem(
                atPath: "\(program.folder)/\(file)", toPath: "\(program.folder)/set/b/dog/\(file)")
            expect(try train(), "error: set/b/dog/\(file): ", reason, "--skip-corrupt")
            expect(try program("data", "check", "set"), "set/b/dog/\(file): ", reason)
            try FileManager.default.removeItem(atPath: "\(program.folder)/set/b/dog/\(file)")
        }
        #expect(!program.exists("run"))
        expect(try train("--data", "nowhere"), "nowhere: no such folder")
        expect(try program("data", "check", "nowhere"), "nowhere: no such folder")
        expect(try program("data", "list", "nowhere"), "nowhere: no such folder")
        expect(try train("--data", "set/a"), "set/a/cat: this domain has no class folder")

        try FileManager.default.createDirectory(
            atPath: "\(program.folder)/set/a/fish", withIntermediateDirectories: true)
        expect(try train(), "set/a/fish: no image in this class folder")
        expect(try program("data", "check", "set"), "set/a/fish: no image in this class folder")
        try FileManager.default.removeItem(atPath: "\(program.folder)/set/a/fish")

        for domain in ["b", "c"] { try FileManager.default.removeItem(atPath: "\(program.folder)/set/\(domain)") }
        expect(try train("--test-domain", "a"), "set: a single domain folder ('a')")
        expect(try program("data", "check", "set"), "set: a single domain folder ('a')")
    }

    @Test func trainRefusesBadSettings() throws {
        try program.write("stepz: 3\n", to: "a.yaml")
        expect(try train("--config", "a.yaml"), "a.yaml: unknown setting 'stepz'; did you mean steps?")
        try program.write("steps: [1\n", to: "b.yaml")
        expect(try train("--config", "b.yaml"), "b.yaml: not valid YAML (line ")
        expect(try train("--config", "c.yaml"), "c.yaml: no such file")
        expect(try train("--set", "backbone.dropuot=1"), "unknown setting 'dropuot'; did you mean dropout?")
        expect(try train("--test-domain", "d"), "set: no domain 'd'")
        expect(try train("--test-domain", "a,b,c"), "all domains are held out")
        expect(try train("--algorithm", "FourierMx"), "no algorithm 'FourierMx'; did you mean FourierMix?")
        expect(try train("--backbone", "resnet51"), "resnet50")
        expect(try train("--preset", "swad2021"), "no preset 'swad2021'; did you mean swad-2021?")
        expect(
            try train("--data", "OfficeHome"), "OfficeHome: no such folder; fetch office_home.zip", "data/office_home")
        expect(try train("--device", "tpu"), "unknown device 'tpu'")
        expect(try train("--stepz", "3"), "--stepz")
        expect(try train("--steps", "many"), "many")
        expect(
            try train("--set", "algorithm.hyperparameters.share=1"),
            "algorithm.hyperparameters: unknown setting 'share'")
        #expect(!program.exists("run"))
    }

    @Test func trainRefusesBadWeights() throws {
        expect(try train("--weights", "none.safetensors"), "none.safetensors: no such weights file")
        expect(try train("--weights", "auto"), "no pretrained weights for tf_efficientnet_lite0", "--weights none")
        try program.write("text", to: "text.safetensors")
        expect(try train("--weights", "text.safetensors"), "text.safetensors: ")
        try program.write("text", to: "text.pth")
        expect(try train("--weights", "text.pth"), "text.pth: ")
        // The weights of one network are not those of another.
        #expect(try train().status == 0)
        let checkpoint = "run/checkpoint/step-1/model.safetensors"
        expect(
            try train("--weights", checkpoint, "--run-dir", "other"), "\(checkpoint): does not say which network",
            "--backbone (tf_efficientnet_lite0 and efficientnet_lite0")
        let result = try train(
            "--weights", checkpoint, "--run-dir", "named", "--backbone", "tf_efficientnet_lite0")
        #expect(result.status == 0, "\(result.errors)")
        let environment = try #require(program.contents("named/environment.json"))
        #expect(String(decoding: environment, as: UTF8.self).contains("\"backbone\":\"tf_efficientnet_lite0\""))
        expect(
            try train(
                "--backbone", "resnet18", "--weights", "run/checkpoint/step-1/model.safetensors", "--run-dir", "other"),
            "run/checkpoint/step-1/model.safetensors does not fit the model")
    }

    @Test func trainRefusesAFolderThatCannotBeWritten() throws {
        // A folder inside a file, and one of the system's that nobody can write to.
        try program.write("x", to: "file")
        expect(try train("--run-dir", "file/run"), "file/run: the folder cannot be made", "choose another")
        #if os(Linux)
            expect(try train("--run-dir", "/proc/run"), "/proc/run: the folder cannot be made", "choose another")
        #endif
    }

    /// What a run needs is read before an earlier run is forgotten.
    @Test func restartLosesNothingToAMistake() throws {
        #expect(try train().status == 0)
        let before = try #require(FileManager.default.contents(atPath: "\(program.folder)/run/results.jsonl"))
        try program.write("text", to: "text.pth")
        expect(try train("--restart", "--weights", "text.pth"), "text.pth: ")
        expect(
            try train("--restart", "--algorithm", "DomainFusion", "--set", "algorithm.hyperparameters.ldm=nowhere"),
            "nowhere")
        #expect(FileManager.default.contents(atPath: "\(program.folder)/run/results.jsonl") == before)
        #expect(program.exists("run/done") && program.exists("run/checkpoint/step-1"))
        #expect(try train().status == 0)
        #expect(try train("--restart", "--steps", "2").status == 0)
        #expect(program.exists("run/checkpoint/step-2") && !program.exists("run/checkpoint/step-1"))
    }

    /// What would only be recorded, or be left out without a word, is refused.
    @Test func refusesWhatWouldDoNothing() throws {
        #expect(try train().status == 0)
        let config = ["--config", "run/config.yaml", "--run-dir", "other"]
        expect(
            try program.run(["train", "--draw", "3"] + config),
            "--draw 3: run/config.yaml sets all that it would change")
        expect(
            try program.run(["train", "--preset", "domainbed-2020"] + config),
            "--preset domainbed-2020: run/config.yaml")
        expect(try train("--set", "draw=3"), "--set draw=3: only recorded there; use --draw")
        try program.write("A: {algorithm: {name: ERM}, preset: swad-2021}", to: "variants.yaml")
        expect(
            try program(
                "sweep", "--dataset", "set", "--data-dir", ".", "--variants", "variants.yaml", "--output", "sweep"),
            "variants.yaml.A: preset would only be recorded")
        for (option, value) in [("--algorithms", ","), ("--algorithms", "ERM,erm"), ("--test-domains", "")] {
            let rest = option == "--algorithms" ? [] : ["--algorithms", "ERM"]
            expect(
                try program.run(
                    ["sweep", "--dataset", "set", "--data-dir", ".", "--output", "sweep", option, value] + rest),
                option)
        }
        expect(
            try program("ldm", "sample", "--prompt", "a", "--strength", "0.5", "-o", "a.png"),
            "--strength goes with --image")
        expect(
            try program("curves", "set/a/cat/0.png", "--label", "cat", "--prompt", "an emoji"), "{class} or {a class}")
        expect(try program("store", "list", "--store", "run/done"), "run/done: no such folder")
    }

    /// Domains behind broken links are not left out without a word.
    @Test func aBrokenLinkIsNoMissingDomain() throws {
        try FileManager.default.createSymbolicLink(
            atPath: "\(program.folder)/set/d", withDestinationPath: "/nowhere/at/all")
        expect(try train(), "set/d: a broken link; mount its target, or remove it")
        expect(try program("data", "check", "set"), "set/d: a broken link")
        try FileManager.default.removeItem(atPath: "\(program.folder)/set/d")
        #expect(try train().status == 0)
    }

    /// Numbers that nobody means, and values that are none.
    @Test func refusesNumbersOutOfRange() throws {
        #expect(try train().status == 0)
        for threads in ["0", "-1", "100000", "3000000000"] {
            expect(try program("eval", "run", "--threads=\(threads)"), "--threads: \(threads) is not in 1...1024")
        }
        let ldm = ["ldm", "train", "vae", "--output", "model"]
        for (option, value) in [
            ("--learning-rate", "nan"), ("--learning-rate", "-1"), ("--batch-size", "0"), ("--evaluate-every", "0"),
            ("--steps", "0"),
        ] {
            expect(try program.run(ldm + ["\(option)=\(value)"]), "\(option): \(value)")
        }
        expect(try train("--set", "steps=1.5"), "--set.steps: takes a whole number, not 1.5")
        try program.write("backbone: {dropout: 0.1}\nseed: 2.5\n", to: "fraction.yaml")
        expect(try train("--config", "fraction.yaml"), "fraction.yaml.seed: takes a whole number, not 2.5")
        expect(try train("--set", "steps=99999999999999999999"), "steps: takes a whole number")
        expect(try train("--set", "learningRate=nan"), "learningRate: takes a finite number")
        expect(try train("--set", "averaging.method=foo"), "averaging.method: 'foo' is none of none, swad, swa, ema")
        expect(try train("--image-size", "100000000"), "imageSize: 100000000 is above 8192")
        expect(try program("data", "sheet", "set", "-o", "a.png", "--samples=9223372036854775807"), "--samples")
        // An edited run, of before the files of finished runs were sealed.
        try program.write("done", to: "run/done")
        let file = "\(program.folder)/run/config.yaml"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        try text.replacingOccurrences(of: "imageSize: 32", with: "imageSize: -1")
            .write(toFile: file, atomically: true, encoding: .utf8)
        expect(try program("eval", "run"), "run/config.yaml: imageSize: -1 is under 32")
        expect(try program("predict", "set/a/cat/0.png", "--run", "run"), "run/config.yaml: imageSize")
    }

    /// The place of the result is looked at before the work.
    @Test func triesTheOutputFirst() throws {
        let lost = "none/a.png"
        expect(
            try program("ldm", "sample", "--prompt", "a", "--ldm", "nowhere", "-o", lost),
            "none/a.png: cannot be written")
        expect(try program("ldm", "sheet", "--ldm", "nowhere", "--output", lost), "none/a.png: cannot be written")
        expect(try program("curves", "x.png", "--label", "cat", "--output", "a.json"), "'a.json' is no .png file")
        expect(try program("augment", "x.png", "--label", "cat", "--output", "a.jpg"), "'a.jpg' is no .png file")
    }

    @Test func theProgramExplainsItself() throws {
        for arguments in [["--help"], ["train", "--help"], ["data", "--help"], ["help", "predict"], ["--version"]] {
            let result = try program.run(arguments)
            #expect(result.status == 0)
            #expect(!result.output.isEmpty)
        }
        expect(try program("trian"), "trian")
        let info = try program("info")
        #expect(info.status == 0)
        #expect(info.output.contains("libtorch"))
    }
}
