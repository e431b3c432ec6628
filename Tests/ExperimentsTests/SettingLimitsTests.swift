import DomainGeneralization
import Foundation
import Foundations
import Testing

@testable import Experiments

/// Numbers that nobody means are refused by name: each setting that there is, and each that will be.
struct SettingLimitsTests {
    private static let algorithms = AlgorithmRegistry.all.algorithms

    /// The settings of a group that are numbers.
    private func numbers(_ defaults: JSONValue) -> [String] {
        defaults.flattened().filter { $0.value.double != nil }.keys.sorted()
    }

    /// What is said of a value, nil where it is taken.
    private func refusal(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch { return "\(error)" }
    }

    /// - Parameter set: sets a setting.
    private func check(_ name: String, _ owner: String, set: (JSONValue) throws -> Void) {
        let isWhole = refusal { try set(.double(0.123)) }?.contains("takes a whole number") ?? false
        let last = name.split(separator: ".").last.map(String.init) ?? name
        for value in [Double.nan, .infinity, -.infinity] {
            #expect(refusal { try set(.double(value)) }?.contains(last) == true, "\(owner) \(name)=\(value)")
        }
        // Seeds may be any numbers, and nothing is made of a draw but a hash.
        if isWhole, !["seed", "draw"].contains(last) {
            for value in [Int.max, Int.min, 1 << 40] {
                #expect(refusal { try set(.int(value)) }?.contains(last) == true, "\(owner) \(name)=\(value)")
            }
        }
        // Taken or refused, they end nothing.
        for value in [1e300, -1e300, .leastNonzeroMagnitude, -1e-300, 1 - 0x1p-53, 1 + 0x1p-52] {
            _ = refusal { try set(.double(value)) }
        }
    }

    @Test(arguments: algorithms.map(\.name))
    func ofAlgorithms(_ name: String) throws {
        let algorithm = try AlgorithmRegistry.all.algorithm(named: name)
        for setting in numbers(algorithm.defaults) {
            check(setting, name) { _ = try algorithm.resolved(JSONValue($0, at: setting)) }
        }
    }

    @Test func ofRuns() throws {
        for setting in numbers(try JSONValue(encoding: RunConfiguration())) {
            check(setting, "run") {
                var run = try RunConfiguration().changed(by: JSONValue($0, at: setting), source: "file")
                run.testDomains = ["a"]
                try run.validate()
            }
        }
    }

    /// What passes alone passes together, and is no overflow.
    @Test func theLargestAreTaken() throws {
        var run = RunConfiguration()
        run.testDomains = ["a"]
        run.averaging = AveragingSettings(.swad)
        (run.averaging.convergence, run.averaging.tolerance) = (1000, 1000)
        (run.steps, run.evaluateEvery, run.saveEvery) = (1_000_000_000, 1_000_000_000, 1_000_000_000)
        try run.validate()
        let average = try #require(RunAverage(run, parameters: []))
        #expect(average.warning(steps: run.steps)?.contains("2000 or more") == true)
    }
}
