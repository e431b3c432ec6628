import Foundation
import Foundations
import TestSupport
import Testing

@testable import DomainGeneralization

/// Made-up records, and what DomainBed's own script prints of them (scripts/fixtures/domainbed_records.py).
struct ResultReportTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    private func fixture(_ name: String) throws -> String {
        let url = try #require(Bundle.module.url(forResource: "Fixtures/\(name)", withExtension: nil))
        return try String(contentsOf: url, encoding: .utf8)
    }

    /// Writes the records as DomainBed does: a folder for each run.
    private func writeSweep() throws {
        var runs: [String: String] = [:]
        for line in try fixture("domainbed_records.jsonl").split(separator: "\n") {
            let arguments = try #require(JSONValue(json: line.utf8)?["args"])
            runs[arguments.text, default: ""] += line + "\n"
        }
        for (index, run) in runs.sorted(by: { $0.key < $1.key }).enumerated() {
            try folder.write(run.value, to: "sweep/run-\(index)/results.jsonl")
        }
    }

    private func records(_ name: String = "sweep") throws -> ([ResultRecord], warnings: [String]) {
        var warnings: [String] = []
        let records = try ResultRecord.read(folder: "\(folder.path)/\(name)", nested: false) { warnings.append($0) }
        return (records, warnings)
    }

    @Test func printsWhatDomainBedPrints() throws {
        try writeSweep()
        try folder.write("x", to: "sweep/results.txt")
        try folder.write("x", to: "sweep/unfinished/err.txt")
        let report = try ResultReport(records().0, knownOnly: true)
        #expect(report.domainBedText() == (try fixture("domainbed_records.txt")))
        #expect(report.domainBedLaTeX() == (try fixture("domainbed_records.tex")))
    }

    @Test func printsOwnTables() throws {
        try writeSweep()
        let report = try ResultReport(records().0)
        let text = report.text()
        #expect(text.contains("Model chosen by validation on the training domains"))
        #expect(text.contains("\nColoredMNIST          +90%          +80%          -90%   average\n"))
        #expect(text.contains("\nCORAL          41.3 ± 17.2   45.0 ± 19.2   46.0 ± 12.2      44.1\n"))
        // A data set that DomainBed does not know.
        #expect(text.contains("\nMine"))
        let lines = report.csv().split(separator: "\n")
        #expect(lines.count == 1 + 3 * 2 * (3 + 4 + 10 + 2))
        #expect(lines.contains("training-domain validation,PACS,MyOwn,S,,,0"))
        let json = try #require(report.json()["selections"]?.array?.first?["tables"]?.array?.first)
        #expect(json["dataset"] == .string("ColoredMNIST"))
        #expect(report.latex().contains(#"CORAL & 41.3 $\pm$ 17.2 & 45.0 $\pm$ 19.2 & 46.0 $\pm$ 12.2 & 44.1 \\"#))
        #expect(report.latex().contains(#"+90\%"#))
    }

    private func row(_ held: String, draw: Int = 0, step: Int, _ numbers: String) -> String {
        """
        {"args": {"algorithm": "A", "dataset": "D", "hparams_seed": \(draw), "test_envs": \(held), "trial_seed": 0}, \
        "step": \(step), \(numbers)}\n
        """
    }

    private func accuracy(_ selection: ModelSelection, _ lines: String) throws -> Double? {
        try folder.write(lines, to: "small/run/results.jsonl")
        return try selection.accuracy(records("small").0, environment: 0)
    }

    private func numbers(_ inTest: Double, _ outTest: Double, _ outSource: String) -> String {
        "\"env0_in_acc\": \(inTest), \"env0_out_acc\": \(outTest), \"env1_in_acc\": 0, \"env1_out_acc\": \(outSource)"
    }

    /// An oracle was trained on the *in* part.
    @Test func takesAnOraclesOtherPart() throws {
        let line = row("[0]", step: 0, numbers(0.9, 0.4, "0.5"))
        #expect(try accuracy(.trainingDomain, line) == 0.9)
        let oracle = line.replacingOccurrences(of: "\"trial_seed\"", with: "\"oracle\": true, \"trial_seed\"")
        #expect(try accuracy(.trainingDomain, oracle) == 0.4)
        #expect(try accuracy(.oracle, oracle) == 0.4)
    }

    /// Without validation items there is nothing to choose by.
    @Test func takesTheLastWithoutValidation() throws {
        let lines = [0.3, 0.2].enumerated().map { step, accuracy in
            row("[0]", step: step, "\"env0_in_acc\": \(accuracy), \"env0_out_acc\": 0.1")
        }
        #expect(try accuracy(.trainingDomain, lines.joined()) == 0.2)
    }

    @Test func breaksTiesAsDomainBedDoes() throws {
        // Of a run's checkpoints the first, of draws the last; one that is not a number is the least.
        let ties =
            row("[0]", draw: 0, step: 0, numbers(0.1, 0, "0.5")) + row("[0]", draw: 1, step: 0, numbers(0.2, 0, "0.5"))
            + row("[0]", draw: 1, step: 9, numbers(0.3, 0, "0.5"))
            + row("[0]", draw: 2, step: 0, numbers(0.4, 0, "NaN"))
        #expect(try accuracy(.trainingDomain, ties) == 0.2)
        // The oracle takes the last step whatever its accuracy was.
        let steps =
            row("[0]", step: 300, numbers(0.1, 0.2, "0")) + row("[0]", step: 0, numbers(0.9, 0.9, "0"))
            + row("[0]", draw: 1, step: 300, numbers(0.5, 0.1, "0"))
        #expect(try accuracy(.oracle, steps) == 0.1)
        // Runs that hold out two domains count for leave-one-domain-out validation alone.
        let pairs =
            row("[0]", step: 0, numbers(0.1, 0, "0")) + row("[0]", step: 9, numbers(0.2, 0, "0"))
            + row(
                "[0, 1]", step: 0,
                numbers(0.8, 0, "0").replacingOccurrences(of: "env1_in_acc\": 0", with: "env1_in_acc\": 0.7"))
            + row("[0, 1]", step: 9, numbers(0.8, 0, "0"))
        #expect(try accuracy(.leaveOneDomainOut, pairs) == 0.1)
        #expect(try accuracy(.leaveOneDomainOut, ties) == nil)
        #expect(try accuracy(.oracle, row("[0, 1]", step: 0, numbers(0.8, 0, "0"))) == nil)
    }

    /// The averaged model of a run is a row of its own, in our tables alone.
    @Test func showsAveragedModels() throws {
        let averages = numbers(0.9, 0, "0.5").replacingOccurrences(of: "\"env", with: "\"average_env")
        let text = row("[0]", step: 9, numbers(0.1, 0, "0.5") + ", " + averages)
            .replacingOccurrences(of: "\"trial_seed\"", with: "\"average\": \"swad\", \"trial_seed\"")
        try folder.write(text, to: "averaged/run/results.jsonl")
        let own = try ResultRecord.read(folder: "\(folder.path)/averaged", nested: true) { Issue.record("\($0)") }
        #expect(own.map(\.algorithm) == ["A", "A + SWAD"])
        let lines = try ResultReport(own).csv().split(separator: "\n")
        #expect(lines.contains("training-domain validation,D,A,0,10.0,0.0,1"))
        #expect(lines.contains("training-domain validation,D,A + SWAD,0,90.0,0.0,1"))
        #expect(try records("averaged").0.map(\.algorithm) == ["A"])
    }

    @Test func readsUpToALineThatWasCutOff() throws {
        let whole = row("[0]", step: 0, numbers(0.1, 0, "0.5"))
        try folder.write(whole + String(whole.prefix(40)), to: "cut/run/results.jsonl")
        let (records, warnings) = try records("cut")
        #expect(records.count == 1)
        #expect(warnings == ["\(folder.path)/cut/run/results.jsonl: the last line is cut off; read up to it"])
        // A last line without its end is whole all the same.
        try folder.write(whole + String(whole.dropLast()), to: "cut/run/results.jsonl")
        #expect(try self.records("cut").0.count == 2)
    }

    @Test func refusesBrokenRecords() throws {
        func failure(_ text: String) -> String {
            do {
                try folder.write(text, to: "bad/run/results.jsonl")
                _ = try ResultReport(records("bad").0)
                return "no failure"
            } catch { return "\(error)" }
        }
        let file = "\(folder.path)/bad/run/results.jsonl"
        #expect(failure("{\"step\": \n{}\n").hasPrefix("\(file): line 1 is no JSON object"))
        #expect(failure("{}\n").hasPrefix("\(file): line 1: no usable \"args.algorithm\""))
        let missing = row("[0]", step: 0, "\"env0_out_acc\": 1, \"env1_out_acc\": 1")
        #expect(failure(missing).hasPrefix("\(file): line 1: no number \"env0_in_acc\""))
        #expect(failure("").hasSuffix("once it has been evaluated"))
        #expect(throws: UserError.self) { try records("nowhere") }
    }
}

struct NumPySumsTests {
    /// Sums, means and deviations by numpy 2 of (7919 i mod 1000) / 997 for i in 0 ..< n.
    @Test(arguments: [
        (5, 3.199598796389167, 0.6399197592778334, 0.3301134175352539),
        (8, 4.746238716148445, 0.5932798395185557, 0.2708964727151067),
        (9, 5.099297893681043, 0.5665886548534492, 0.2663275727018688),
        (17, 9.011033099297894, 0.5300607705469349, 0.31148199233135315),
        (128, 63.8234704112337, 0.4986208625877633, 0.29278241431808083),
        (129, 64.45737211634905, 0.4996695512895275, 0.29188662490511175),
        (300, 150.60180541624874, 0.5020060180541625, 0.2911202383900212),
        (1000, 501.00300902708125, 0.5010030090270813, 0.2895436211205712),
    ])
    func equalNumPys(_ count: Int, _ sum: Double, _ mean: Double, _ deviation: Double) {
        let values = (0..<count).map { Double($0 * 7919 % 1000) / 997 }
        #expect(numpySum(values) == sum)
        #expect(numpyMean(values) == mean)
        #expect(numpyDeviation(values) == deviation)
    }
}
