import DomainFusion
import DomainGeneralization
import Foundation
import Foundations
import TestSupport
import Testing

@testable import Experiments

struct RunComparisonTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    /// A run that has ended, as its files tell.
    /// - Parameter right: whether the class was found, of images 0, 1, …; the last two show unseen items.
    private func run(
        _ variant: String, seed: Int, accuracy: Double, right: [Bool], domain: String = "sketch",
        and other: String? = nil,
        data: String = "x", draw: Int = 0, validation: Double = 0.5, oracle: Bool = false, isDone: Bool = true,
        totals: String = "{}", ledger: Ledger? = nil
    ) throws {
        let path = "\(folder.path)/\(data)-\(variant)-\(domain)\(other ?? "")-\(seed)-\(draw)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        func write(_ text: String, _ name: String) throws {
            try text.write(toFile: "\(path)/\(name)", atomically: true, encoding: .utf8)
        }
        let held = ([domain] + (other.map { [$0] } ?? [])).map { "\"\($0)\"" }.joined(separator: ", ")
        try write(
            """
            variant: \(variant)
            algorithm: {name: ERM}
            data: data/\(data)
            draw: \(draw)
            testDomains: [\(held)]

            """, "config.yaml")
        let result = """
            {"step": 5, "sourceValidation": \(validation), "sourceUnseenItems": 0.25, "targets": {"\(domain)": {
            "accuracy": \(accuracy), "domainBedAccuracy": 0.1, "meanClassAccuracy": 0.2, "unseenItems": 0.5}}}
            """
        try write(
            """
            {"algorithm": "ERM", "data": "x", "testDomains": [\(held)], "oracle": \(oracle), "seed": \(seed),
            "steps": 5, "selected": \(result), "last": \(result), "totals": \(totals)}
            """, "summary.json")
        let lines = right.enumerated().map { index, isRight in
            """
            {"image": "\(domain)/\(index).png", "domain": "\(domain)", "unseen": \(index >= right.count - 2), "class": "dog", \
            "predicted": "\(isRight ? "dog" : "cat")", "loss": 1}
            """
        }
        // A source domain's images are no part of the comparison.
        let source =
            #"{"image": "s.png", "domain": "photo", "unseen": false, "class": "dog", "predicted": "cat", "loss": 1}"#
        try write((lines + [source]).joined(separator: "\n") + "\n", "predictions.jsonl")
        try ledger?.write(to: "\(path)/ledger.json")
        if isDone { try write("done", "done") }
    }

    @Test func gainsArePairedByImageAndSeed() throws {
        try run("base", seed: 0, accuracy: 0.5, right: [true, true, false, false, true, false])
        try run("base", seed: 1, accuracy: 0.3, right: [false, true, false, false, false, false])
        try run("better", seed: 0, accuracy: 0.75, right: [true, true, true, false, true, false])
        try run("better", seed: 1, accuracy: 0.5, right: [true, true, true, false, true, true])
        // Without its counterpart: in the mean, not in the gain.
        try run("better", seed: 2, accuracy: 0.25, right: [false, false, false, false, false, false])
        try run("better", seed: 3, accuracy: 0, right: [], isDone: false)
        try run("oracle", seed: 0, accuracy: 0.9, right: [true, true, true, true, true, true], oracle: true)

        let comparison = try RunComparison(folders: [folder.path], baseline: "base")
        #expect(comparison.targets.map(\.domains) == ["sketch"])
        let rows = comparison.targets[0].rows
        #expect(rows.map(\.method) == ["base", "better", "oracle"])
        #expect(rows[0].gain == nil && rows[0].seeds == [0, 1])
        #expect(rows[1].seeds == [0, 1, 2])
        let accuracy = try #require(rows[1].unseenDomain)
        // Deviation of 0.75, 0.5, 0.25 over √3.
        #expect(abs(accuracy.value - 0.5) < 1e-12 && abs(accuracy.error - (0.125 / 9).squareRoot()) < 1e-12)
        let gain = try #require(rows[1].gain)
        // Per image (0 + 1)/2, 0, (1 + 1)/2, 0: mean 3/8, variance 11/48 over four images; the seeds differ by no more than the rest.
        #expect(gain.images == 4 && gain.seeds == 2)
        #expect(abs(gain.value - 0.375) < 1e-12)
        #expect(abs(gain.margin - 3.18245 * (11.0 / 48 / 4).squareRoot()) < 1e-4)
        // 0 with one seed, 1 with the other, on both images: 1/2 ± t₁·√(1/2 / 2).
        let unseen = try #require(rows[1].gainOnUnseenItems)
        #expect(unseen.value == 0.5 && abs(unseen.margin - 12.7062 * 0.5) < 1e-3 && unseen.images == 2)
        #expect(rows[2].gain == nil && rows[2].unseenDomain?.value == 0.9)

        let text = comparison.text().split(separator: "\n").map(String.init)
        #expect(text[0].hasPrefix("unseen: sketch   seeds      accuracy   gain over base"))
        #expect(text[2].contains("3   50.0 ± 11.8     +37.5 ± 76.2") && text[3].contains("–"))
    }

    @Test func averagesOverHeldOutDomains() throws {
        for (domain, shift) in [("sketch", 0.0), ("ink", 0.25)] {
            try run("base", seed: 0, accuracy: 0.5 + shift, right: [true, false, false, false], domain: domain)
            try run("base", seed: 1, accuracy: 0.25, right: [true, false, false, false], domain: domain)
            let right = domain == "ink" ? [true, true, true, false] : [true, true, false, false]
            try run("better", seed: 0, accuracy: 0.75, right: right, domain: domain)
            try run("better", seed: 1, accuracy: 0.75 + shift, right: right, domain: domain)
        }
        // Not on every domain.
        try run("partial", seed: 0, accuracy: 1, right: [true, true, true, true], domain: "ink")

        let comparison = try RunComparison(folders: [folder.path], baseline: "base")
        #expect(comparison.targets.map(\.domains) == ["ink", "sketch"])
        let average = try #require(comparison.average)
        #expect(average.domains == "mean of 2" && average.rows.map(\.method) == ["base", "better"])
        // Seed 0: (0.5 + 0.75)/2; seed 1: 0.25. Deviation of the two over √2.
        let base = try #require(average.rows[0].unseenDomain)
        #expect(abs(base.value - 0.4375) < 1e-12 && abs(base.error - 0.1875 / 2.0.squareRoot()) < 1e-12)
        // Of the two images of each that are no unseen items one was gained: a variance of 1/2 / 2 with one degree of freedom on both
        // domains, of half that and two for their mean.
        let gain = try #require(average.rows[1].gain)
        #expect(abs(gain.value - 0.5) < 1e-12 && gain.images == 4 && gain.seeds == 2)
        #expect(abs(gain.margin - 4.30265 * 0.125.squareRoot()) < 1e-4)
        // 1/2 ± … on ink, 0 on sketch.
        #expect(average.rows[1].gainOnUnseenItems?.value == 0.25 && average.rows[0].gain == nil)
        #expect(comparison.text().contains("unseen: mean of 2"))
    }

    /// Of several draws validation chooses one, pairs of held-out domains are no part of the mean, and domains of the same name
    /// in two data sets are two.
    @Test func tellsApartWhatIsDifferent() throws {
        for domain in ["sketch", "ink"] {
            try run("base", seed: 0, accuracy: 0.5, right: [true, false, false, false], domain: domain)
            try run(
                "base", seed: 0, accuracy: 0.9, right: [true, true, false, false], domain: domain, draw: 1,
                validation: 0.4)
        }
        try run("base", seed: 0, accuracy: 0, right: [false, false, false, false], domain: "ink", and: "sketch")
        var comparison = try RunComparison(folders: [folder.path], baseline: "base")
        #expect(comparison.targets.map(\.domains) == ["ink", "ink, sketch", "sketch"])
        #expect(comparison.targets[2].rows.map(\.seeds) == [[0]])
        #expect(comparison.targets[2].rows[0].unseenDomain?.value == 0.5)
        #expect(comparison.average?.domains == "mean of 2" && comparison.average?.rows[0].unseenDomain?.value == 0.5)

        try run("base", seed: 0, accuracy: 0.2, right: [true, false, false, false], data: "pacs")
        comparison = try RunComparison(folders: [folder.path], baseline: "base")
        #expect(comparison.targets.map(\.domains) == ["PACS: sketch", "x: ink", "x: ink, sketch", "x: sketch"])
        #expect(comparison.targets[0].rows[0].unseenDomain?.value == 0.2)
    }

    @Test func saysWhatIsMissing() throws {
        func message(_ path: String, _ baseline: String) -> String? {
            #expect(throws: UserError.self) { try RunComparison(folders: [path], baseline: baseline) }
                .map { "\($0)" }
        }
        #expect(message("\(folder.path)/none", "ERM")?.hasPrefix("\(folder.path)/none: no such folder") == true)
        try run("open", seed: 0, accuracy: 0.5, right: [true, false], isDone: false)
        #expect(message(folder.path, "ERM")?.hasPrefix("\(folder.path): no run in it has ended") == true)
        try run("base", seed: 0, accuracy: 0.5, right: [true, false])
        #expect(message(folder.path, "ERM") == "\(folder.path): no finished run of ERM; there are base")
        let predictions = "\(folder.path)/x-base-sketch-0-0/predictions.jsonl"
        try "{\"image\": ".write(toFile: predictions, atomically: true, encoding: .utf8)
        #expect(message(folder.path, "base")?.hasPrefix("\(predictions): missing or unreadable") == true)
    }

    /// Means over the runs of a method; those without a diffusion model cost its trainings alone.
    @Test func costsAreMeansOverRuns() throws {
        func ledger(made: Int, evaluations: Int, seconds: Double) -> Ledger {
            var ledger = Ledger()
            ledger.use(round: 1, generated: 8, composed: 2)
            ledger.generatedMade = made
            ledger.unetEvaluations = evaluations
            ledger.vaePasses = 2 * evaluations
            ledger.add(seconds: seconds, to: "generation")
            return ledger
        }
        let times = #"{"training_seconds": 30, "generation_seconds": 10, "evaluation_seconds": 4}"#
        try run("base", seed: 0, accuracy: 0.5, right: [true], totals: #"{"training_seconds": 12}"#)
        try run(
            "ola", seed: 0, accuracy: 0.5, right: [true], totals: times,
            ledger: ledger(made: 8, evaluations: 100, seconds: 10))
        try run(
            "ola", seed: 1, accuracy: 0.5, right: [true], totals: times,
            ledger: ledger(made: 2, evaluations: 20, seconds: 4))
        let costs = try MethodCost.all(in: [folder.path])
        #expect(costs.map(\.method) == ["base", "ola"] && costs.map(\.runs) == [1, 2])
        #expect(costs[0].trainingSeconds == 12 && costs[0].generatedImages == 0 && costs[0].diffusionSeconds == 0)
        // The classifier's time is that of the steps without the images' in them.
        #expect(costs[1].trainingSeconds == 20 && costs[1].diffusionSeconds == 7)
        #expect(costs[1].generatedImages == 8 && costs[1].sharedImages == 3)
        #expect(costs[1].unetEvaluations == 60 && costs[1].vaePasses == 120)
    }
}
