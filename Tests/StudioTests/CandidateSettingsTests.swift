import Experiments
import Foundations
import Testing

@testable import Studio

struct CandidateSettingsTests {
    @Test("candidates are made by the run's own settings, in the styles of its source domains alone")
    func ofRuns() throws {
        let plain = try CandidateSettings(RunConfiguration(), prompt: "an emoji of {a class}")
        #expect(plain.augmentation.prompts == ["an emoji of {a class}"] && plain.augmentation.batchSize == 1)
        #expect(plain.distillation.prompt == "an emoji of {a class}")

        var fusion = RunConfiguration()
        fusion.testDomains = ["c"]
        fusion.algorithm.name = "DomainFusion"
        fusion.algorithm.hyperparameters = [
            "styles": ["a": "flat", "b": "ink", "c": "pixel art"],
            "augmentation": ["candidates": 3, "strength": 0.7, "prompts": ["{a style} emoji of {a class}"]],
            "distillation": ["nodes": 5, "prompt": "{a style} emoji of {a class}"],
        ]
        let own = try CandidateSettings(fusion, prompt: "x {a class}")
        #expect(own.augmentation.candidates == 3 && own.augmentation.strength == 0.7)
        #expect(own.augmentation.prompts == ["a flat emoji of {a class}", "an ink emoji of {a class}"])
        #expect(own.distillation.nodes == 5 && own.distillation.prompt == "x {a class}")

        var added = RunConfiguration()
        added.images = ["ola": ["steps": 8]]
        added.terms = ["ld": ["draws": 2]]
        let other = try CandidateSettings(added, prompt: "x {class}")
        #expect(other.augmentation.steps == 8 && other.distillation.draws == 2)
        added.images = ["ola": ["stepz": 8]]
        #expect(throws: UserError.self) { try CandidateSettings(added, prompt: "x {class}") }
    }
}
