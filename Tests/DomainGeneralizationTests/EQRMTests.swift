import Testing
import Torch

@testable import DomainGeneralization

struct EQRMTests {
    /// Adam's steps since it began, after three updates.
    private func steps(burnIn: Double) throws -> Double {
        let algorithm = try AlgorithmRegistry.standard.algorithm(named: "EQRM")
            .make(["burnInSteps": .double(burnIn)], context: AlgorithmFixture(isReference: true).context)
        for step in 0..<3 { _ = try algorithm.update(AlgorithmFixture.minibatches(step: step), step: step) }
        return try #require(algorithm.state.tensors["optimizer.0.0.step"]).item()
    }

    /// Adam begins anew in the step that equals the number of the first ones: never where that has a fraction.
    @Test func adamBeginsAnewAfterAWholeNumber() throws {
        #expect(try steps(burnIn: 1) == 2)
        #expect(try steps(burnIn: 1.5) == 3)
        #expect(try steps(burnIn: 3) == 3)
    }

    @Test func warnsOfAQuantileThatNeverBegins() throws {
        let algorithm = try AlgorithmRegistry.standard.algorithm(named: "EQRM")
        #expect(algorithm.warnings(algorithm.defaults, steps: 2500).count == 1)
        #expect(algorithm.warnings(algorithm.defaults, steps: 2501).isEmpty)
    }

    /// Of risks that are symmetric about their middle, the median is the middle; a quantile lies where the mean of the normal
    /// distribution functions is the share.
    @Test func quantilesOfADensity() {
        #expect(abs(RiskQuantile(0.5)(of: Tensor([1.0, 3.0, 2.0] as [Float])).item() - 2) < 1e-6)
        // h = 1.06 · 1 · 3^(−1/5) = 0.850906; Φ((x−1)/h) + Φ((x−2)/h) + Φ((x−3)/h) = 2.7 at x = 3.5388
        let value = RiskQuantile(0.9)(of: Tensor([1.0, 3.0, 2.0] as [Float])).item()
        #expect(abs(value - 3.538786) < 1e-5)
    }
}
