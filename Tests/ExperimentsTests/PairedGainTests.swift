import Foundation
import Testing

@testable import Experiments

struct PairedGainTests {
    /// Rows of images, 1 where the class was found.
    private func pairs(_ method: [String], _ other: [String]) -> [(method: [String: Bool], other: [String: Bool])] {
        func found(_ row: String) -> [String: Bool] {
            Dictionary(uniqueKeysWithValues: row.enumerated().map { ("\($0)", $1 == "1") })
        }
        return zip(method, other).map { (found($0), found($1)) }
    }

    /// By the formulas in the type's documentation, worked out with numpy.
    @Test func intervalsAreForOtherImagesAndOtherTrainings() throws {
        let other = ["100010110000", "010010110110", "100100010010"]
        let gain = try #require(PairedGain(pairs(["111101111111", "111011110100", "111111111111"], other)))
        #expect(gain.images == 12 && gain.seeds == 3)
        #expect(abs(gain.value - 17.0 / 36) < 1e-12)
        #expect(abs(gain.standardError - 0.16131996215842867) < 1e-9)
        #expect(abs(gain.degreesOfFreedom - 2.255122634919263) < 1e-9)
        #expect(abs(gain.margin - 0.62403) < 2e-4)
    }

    /// What is as good whatever the seed has the interval of the images, and one seed tells nothing else.
    @Test func trainingsThatDifferInNothingAddNothing() throws {
        let (method, other) = ("11110000", "10010001")
        let one = try #require(PairedGain(pairs([method], [other])))
        let three = try #require(PairedGain(pairs([method, method, method], [other, other, other])))
        // Differences 0, 1, 1, 0, 0, 0, 0, -1: mean 1/8, variance (3 - 1/8)/7.
        let error = ((3 - 0.125) / 7 / 8).squareRoot()
        for gain in [one, three] {
            #expect(abs(gain.value - 0.125) < 1e-12 && abs(gain.standardError - error) < 1e-12)
            #expect(gain.degreesOfFreedom == 7 && abs(gain.margin - 2.36462 * error) < 1e-4)
        }
        #expect(PairedGain(pairs(["1"], ["0"])) == nil && PairedGain([]) == nil)
    }

    /// Images that a seed lacks are no part of it.
    @Test func comparesTheImagesThatAllHave() throws {
        let gain = try #require(PairedGain(pairs(["110", "1101"], ["000", "1001"])))
        #expect(gain.images == 3 && abs(gain.value - 0.5) < 1e-12)
    }

    @Test(arguments: [
        (1, 12.7062), (2, 4.3027), (3, 3.1824), (5, 2.5706), (10, 2.2281), (30, 2.0423), (100, 1.9840), (500, 1.9647),
        (1e6, 1.95997),
    ])
    func quantilesOfStudentsT(freedom: Double, expected: Double) {
        #expect(abs(StudentT.quantile95(freedom: freedom) - expected) < 2e-4 * expected)
    }
}
