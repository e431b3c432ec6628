import Testing
import Torch

@testable import Experiments

struct SelfTestTests {
    @Test func thisProcessorComputesWhatItShould() throws {
        var told = 0
        let findings = try SelfTest(.cpu).run { _ in told += 1 }
        #expect(findings.count == 13 && told == 13)
        for finding in findings { #expect(finding.holds, "\(finding)") }
        // In bfloat16 there is a difference to be seen, and in float32 too.
        #expect(findings.allSatisfy { $0.difference > 0 })
    }

    /// Other numbers than those that are wanted are found.
    @Test func aWrongResultIsSeen() {
        let (one, two) = (Tensor([1.0, 2, 4]), Tensor([1.0, 2, 4.1]))
        #expect(SelfTest.difference([one], [one]) == 0)
        #expect(abs(SelfTest.difference([two], [one]) - 0.025) < 1e-9)
        #expect(SelfTest.difference([one], [one, one]) == .infinity && SelfTest.difference([], []) == .infinity)
        #expect(SelfTest.difference([Tensor([Double.nan, 2, 4])], [one]) == .infinity)
    }
}
