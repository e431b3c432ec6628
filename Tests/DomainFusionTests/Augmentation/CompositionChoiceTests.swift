import Testing

@testable import DomainFusion

@Suite struct CompositionChoiceTests {
    /// The style and content chosen of three candidates and, as the last content, the source.
    private func choice(
        _ styles: [Double], _ contents: [Double], isOne: Bool = false, threshold: Double = 0
    ) -> [Int?]? {
        CompositionChoice(
            styleSimilarities: styles, contentSimilarities: contents, isOne: isOne, threshold: threshold
        ).map { [$0.style, $0.content] }
    }

    private let styles = [-3.0, -5, -4]

    @Test func withoutAThresholdTheSourceCanWin() {
        #expect(choice(styles, [0.2, 0.9, 0.3, 1]) == [1, 3])
        #expect(choice(styles, [0.2, 0.9, 0.3]) == [1, 1])
        // Of equal ones the first.
        #expect(choice([-5, -5, -4], [0.2, 0.9, 0.9]) == [0, 1])
    }

    @Test func aCandidateThatIsCloseEnoughComesBeforeTheSource() {
        #expect(choice(styles, [0.7, 0.2, 0.8, 1], threshold: 0.6) == [1, 2])
        #expect(choice(styles, [0.7, 0.2, 0.8, 1], threshold: 0.8) == [1, 2])
        #expect(choice(styles, [0.7, 0.2, 0.8, 1], threshold: 0.81) == [1, 3])
        #expect(choice(styles, [0.7, 0.2, 0.8], threshold: 0.81) == nil)
    }

    @Test func oneCandidateHasTheLeastSimilarStyleAmongThoseCloseEnough() {
        #expect(choice(styles, [0.7, 0.2, 0.8, 1], isOne: true) == [1, 1])
        #expect(choice(styles, [0.7, 0.2, 0.8, 1], isOne: true, threshold: 0.6) == [2, 2])
        #expect(choice(styles, [0.7, 0.2, 0.5, 1], isOne: true, threshold: 0.6) == [0, 0])
        #expect(choice(styles, [0.5, 0.2, 0.5, 1], isOne: true, threshold: 0.6) == [nil, 3])
        #expect(choice(styles, [0.5, 0.2, 0.5], isOne: true, threshold: 0.6) == nil)
    }

    @Test func notesOfAnotherPoolAreRefused() throws {
        let made = try #require(
            CompositionChoice(
                styleSimilarities: styles, contentSimilarities: [0.5, 0.2, 0.5, 1], isOne: true, threshold: 0.6))
        #expect(made.fits(styles: 3, contents: 4))
        #expect(!made.fits(styles: 2, contents: 4) && !made.fits(styles: 3, contents: 3))
    }
}
