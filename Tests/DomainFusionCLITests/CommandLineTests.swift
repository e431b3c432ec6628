import ArgumentParser
import DomainGeneralization
import Foundation
import Foundations
import Testing

@testable import DomainFusionCLI

/// Command lines as they are parsed, in this process.
struct CommandLineTests {
    private func parsed<Command>(_ line: String, as type: Command.Type = Command.self) throws -> Command {
        let arguments = line.split(separator: " ").map(String.init)
        return try #require(try DomainFusionCommand.command(arguments) as? Command)
    }

    private func text(_ line: String) throws -> String {
        var text = ""
        dump(try parsed(line, as: (any ParsableCommand).self), to: &text)
        return text
    }

    /// Former names mean what today's mean, wherever they had a place.
    @Test(arguments: [
        ("ldm sample --prompt a -o a.png --model m", "ldm sample --prompt a -o a.png --ldm m"),
        ("ldm sample --model=m --prompt a -o a.png", "ldm sample --ldm=m --prompt a -o a.png"),
        ("ldm evaluate --model m", "ldm evaluate --ldm m"), ("ldm sheet --model m", "ldm sheet --ldm m"),
        ("ldm merge --model m --lora l --output o", "ldm merge --ldm m --lora l --output o"),
        ("ldm finetune --model m --data d --output o", "ldm finetune --ldm m --data d --output o"),
        ("demo --target noto", "demo --test-domain noto"), ("demo --target=noto", "demo --test-domain=noto"),
        ("curves a.png --class lion", "curves a.png --label lion"),
        ("curves draw a.png --class=lion", "curves draw a.png --label=lion"),
    ])
    func formerNamesStay(former: String, now: String) throws {
        #expect(try text(former) == text(now))
        #expect(try !text(now).isEmpty)
    }

    /// They are options of those commands alone, and of no help text.
    @Test func formerNamesAreHidden() throws {
        #expect(throws: (any Error).self) { try text("train --model m") }
        #expect(
            FormerNames.replaced(in: ["ldm", "sample", "--models", "--", "--model"]).suffix(3) == [
                "--models", "--", "--model",
            ])
        let commands: [any ParsableCommand.Type] = [
            LDMFinetune.self, LDMMerge.self, LDMSample.self, LDMEvaluate.self, LDMSheet.self, DemoCommand.self,
            CurvesDrawCommand.self,
        ]
        for command in commands {
            let help = DomainFusionCommand.helpMessage(for: command)
            #expect(help.contains("--ldm"))
            for former in ["--model", "--target", "--class"] { #expect(!help.contains(former), "\(command)") }
        }
    }

    private func train(_ line: String) throws -> JSONValue {
        let command: TrainCommand = try parsed("train --test-domain a " + line)
        return try command.options.configuration().algorithm.hyperparameters
    }

    @Test func namesTheDiffusionModel() throws {
        #expect(try train("--data photos --algorithm DomainFusion")["ldm"] == nil)
        let own = try train("--data photos --algorithm DomainFusion --ldm org/name --ldm-dtype float16")
        #expect(own["ldm"] == .string("org/name") && own["ldmDtype"] == .string("float16"))
        #expect(try train("--data EmojiDG --algorithm domainfusion")["ldm"] == .string("Models/emoji-ldm"))
        let other = try train("--data EmojiDG --algorithm MODE-A --ldm other")
        #expect(other["ldm"] == .string("other"))
        #expect {
            try train("--data photos --ldm other")
        } throws: { "\($0)".hasPrefix("--ldm: ERM takes no diffusion model") }
        // What is added to an algorithm asks it, too.
        let added: TrainCommand = try parsed("train --data photos --test-domain a --term ld --ldm other")
        #expect(try added.options.configuration().diffusion?["ldm"] == "other")
        // A sweep gives it to the algorithms that take one.
        let sweep: SweepCommand = try parsed("sweep --dataset photos --algorithms ERM,MODE-A --ldm other")
        func hyperparameters(_ name: String) throws -> JSONValue {
            try sweep.settings.configuration(data: "photos", testDomains: ["a"], algorithm: name, seed: 0, draw: 0)
                .algorithm.hyperparameters
        }
        #expect(try hyperparameters("ERM") == .object([:]))
        #expect(try hyperparameters("MODE-A")["ldm"] == .string("other"))
    }

    /// One set of defaults for LD and OLA: the commands that show them, and the settings.
    @Test func defaultsAreTheSettings() throws {
        let fusion = try AlgorithmRegistry.all.algorithm(named: "DomainFusion").defaults
        let augment: AugmentCommand = try parsed("augment a.png --label lion")
        let augmentation = try #require(fusion["augmentation"])
        #expect(augmentation["candidates"] == .int(augment.candidates) && augmentation["steps"] == .int(augment.steps))
        #expect(augmentation["strength"] == .double(augment.strength))
        #expect(augmentation["generator"] == .string(augment.generator.rawValue))
        #expect(augmentation["composition"] == .string(augment.composition.rawValue))
        #expect(augmentation["contentPool"] == .string(augment.contentPool.rawValue))
        #expect(augment.contentPool == .candidatesAndSource && augment.composition == .latent)
        let distillation = try #require(fusion["distillation"])
        let draw: CurvesDrawCommand = try parsed("curves a.png --label lion")
        let report: CurvesReportCommand = try parsed("curves report --data photos")
        #expect(distillation["nodes"] == .int(draw.nodes) && draw.nodes == report.nodes)
        #expect(distillation["guidanceScale"]?.double == draw.guidance)
        // Other models than the embedded one are asked for photos.
        #expect(draw.model.prompt(nil, other: "a photo of {a class}") == "an emoji of {a class}")
        let own: CurvesDrawCommand = try parsed("curves a.png --label lion --ldm own")
        #expect(own.model.prompt(nil, other: "a photo of {a class}") == "a photo of {a class}")
        #expect(own.model.prompt("{a class}", other: "a photo of {a class}") == "{a class}")
    }
}
