import Testing

@testable import Experiments

struct CalibrationTests {
    @Test func isTheDifferenceOfConfidenceAndAccuracyByBins() throws {
        var calibration = Calibration()
        #expect(calibration.error == nil && calibration.points.isEmpty)
        // Of four at 0.95 two are right, of two at 0.55 both.
        for isRight in [true, true, false, false] { calibration.add(confidence: 0.95, isRight: isRight) }
        for _ in 0..<2 { calibration.add(confidence: 0.55, isRight: true) }
        let error = try #require(calibration.error)
        #expect(abs(error - (4 * 0.45 + 2 * 0.45) / 6) < 1e-12)
        #expect(calibration.points.map { $0.y } == [100, 50])
        #expect(abs(calibration.points[0].x - 55) < 1e-9 && abs(calibration.points[1].x - 95) < 1e-9)
        // The ends of the range have bins, too.
        calibration.add(confidence: 1, isRight: true)
        calibration.add(confidence: 0, isRight: false)
        #expect(calibration.points.count == 3)
    }
}
