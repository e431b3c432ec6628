import DomainGeneralization
import Foundations
import Testing

@testable import Experiments

struct DemoTests {
    /// Shares are of the training steps and of what is made before them, and add up to all of it.
    @Test func sharesOfTheTime() throws {
        let summary = JSONValue.object([
            "algorithm": .string("DomainFusion"), "data": .string("set"), "testDomains": .array([.string("c")]),
            "oracle": .bool(false), "seed": .int(0), "steps": .int(9),
            "selected": .object(["step": .int(9), "targets": .object(["c": .object(["accuracy": .double(0.5)])])]),
            "last": .object(["step": .int(9), "targets": .object([:])]),
            "totals": .object([
                "training_seconds": .double(60), "curves_seconds": .double(20), "ld_seconds": .double(6),
                "generation_seconds": .double(24), "loading_seconds": .double(5), "evaluation_seconds": .double(4),
                "images_generated": .double(12),
            ]),
        ])
        let run = Demo.Run(try summary.decoded(as: RunSummary.self), target: "c")
        #expect(run.unseenDomain == 0.5)
        #expect(run.imagesGenerated == 12)
        #expect(run.seconds == 89)
        #expect(run.timeShares == ["classifier": 0.375, "distillation": 0.075, "generation": 0.3, "curves": 0.25])
    }
}
