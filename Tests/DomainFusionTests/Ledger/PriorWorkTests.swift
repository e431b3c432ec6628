import Diffusion
import Foundations
import Testing

@testable import DomainFusion

struct PriorWorkTests {
    private func record(_ domains: String..., steps: Int = 100, before: [FineTuningRecord] = []) -> FineTuningRecord {
        var record = FineTuningRecord(
            model: "sd", data: "PACS", domains: domains, images: 10, steps: steps, seconds: Double(steps) / 4)
        record.before = before
        return record
    }

    @Test func aShareTakesTheModelsOfItsDomains() {
        var work = PriorWork(models: [
            .init(record("a"), domain: "a"), .init(record("b", steps: 300), domain: "b"), .init(record("a", "b")),
        ])
        (work.images, work.unetEvaluations, work.vaePasses) = (100, 1000, 200)
        (work.seconds, work.bytes) = (40, 5000)
        #expect(work.fineTuningSteps == 500 && work.fineTuningSeconds == 125)
        let part = work.share(0.25, domains: ["b", "c"])
        #expect(part.images == 25 && part.unetEvaluations == 250 && part.vaePasses == 50)
        #expect(part.seconds == 10 && part.bytes == 1250 && part.fineTuningSteps == 400)
    }

    /// A model that two were made of was fine-tuned once.
    @Test func whatModelsHaveInCommonCountsOnce() {
        let first = record("a")
        var work = PriorWork(models: [.init(record("b", steps: 7, before: [first]), domain: "b")])
        work.add(PriorWork(models: [.init(record("c", steps: 9, before: [first]), domain: "c")]))
        #expect(work.fineTuningSteps == 116 && work.models.count == 2)
        work.add(PriorWork(models: [work.models[0]]))
        #expect(work.models.count == 2)
    }

    @Test func whatIsHeldOutMustNotHaveBeenSeen() throws {
        let shared = PriorWork(models: [.init(record("c", before: [record("a")]))])
        let error = #expect(throws: UserError.self) { try shared.check(held: ["b", "a"], of: "PACS") }
        #expect(error?.message.contains("the diffusion model was fine-tuned on a, which this run holds out") == true)
        try shared.check(held: ["b"], of: "PACS")
        // Another data set's domain of that name.
        try shared.check(held: ["a"], of: "VLCS")
        // Nothing of the held-out domain's own model is taken.
        let own = PriorWork(models: [.init(record("a"), domain: "a"), .init(record("b"), domain: "b")])
        try own.check(held: ["a"], of: "PACS")
        let mixed = PriorWork(models: [.init(record("a", "b"), domain: "b")])
        #expect(throws: UserError.self) { try mixed.check(held: ["a"], of: "PACS", folder: "generated") }
    }
}
