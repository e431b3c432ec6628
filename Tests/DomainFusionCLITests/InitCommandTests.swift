import Foundation
import Testing

@testable import DomainFusionCLI

@Suite(.serialized)
struct InitCommandTests {
    let program: Program

    init() throws {
        program = try Program()
        try program.makeDataset()
    }

    @Test("The file that init writes is trained with unchanged, and never overwritten")
    func writesWhatTrainTakes() throws {
        let written = try program("init", "set", "--test-domain", "b", "--threads", "1", "--device", "cpu")
        #expect(written.status == 0, "\(written.errors)")
        #expect(written.output.contains("domainfusion.yaml: holds out b, 64 pixels, 300 steps\n"))
        #expect(written.output.contains("next: domainfusion train --config 'domainfusion.yaml'"))
        let text = try #require(program.contents("domainfusion.yaml"))
        let trained = try program(
            "train", "--config", "domainfusion.yaml", "--steps", "1", "--evaluate-every", "1", "--threads", "1",
            "--run-dir", "run")
        #expect(trained.status == 0, "\(trained.errors)")
        #expect(trained.output.contains("unseen domain b: accuracy "))
        let again = try program("init", "set")
        #expect(again.isPlainError && again.errors.contains("domainfusion.yaml: is there already"))
        #expect(program.contents("domainfusion.yaml") == text)
    }

    @Test("What cannot be looked at is one line")
    func refusesInOneLine() throws {
        try program.write("hello", to: "flat/image.png")
        let png = try Program.png(seed: 1)
        try program.write(png.prefix(png.count / 2), to: "set/a/cat/0.png")
        for (arguments, reason) in [
            (["flat"], "flat: no domain folder"), (["set"], "set/a/cat/0.png: truncated PNG"),
            (["set", "--minutes", "0"], "--minutes: 0"),
            (["set", "--output", "no/where.yaml"], "no/where.yaml: cannot be written"),
        ] {
            let result = try program.run(["init"] + arguments)
            #expect(result.isPlainError && result.errors.contains(reason), "\(result.errors)")
        }
        #expect(!program.exists("domainfusion.yaml"))
    }

    @Test("Shells complete the domains of the data set that a command line names, also after commas")
    func completesDomains() throws {
        let folder = "\(program.folder)/set"
        #expect(
            Completions.domains(of: ["domainfusion", "train", "--data", folder, "--test-domain"]) == ["a", "b", "c"])
        #expect(Completions.domains(of: ["domainfusion", "init", folder, "--test-domain"]) == ["a", "b", "c"])
        #expect(
            Completions.domains(of: ["domainfusion", "train", "--data"]).isEmpty == !program.exists("data/EmojiDG"))
        #expect(Completions.listed(["a", "b", "c"], after: "a,") == ["a,b", "a,c"])
        #expect(Completions.listed(["a", "b"], after: "x") == ["a", "b"])
        let script = try program("--generate-completion-script", "bash")
        #expect(script.status == 0 && script.output.contains("test-domain") && script.output.contains("swad-2021"))
    }
}
