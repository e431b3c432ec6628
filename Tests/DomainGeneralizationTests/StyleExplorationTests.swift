import Testing

@testable import DomainGeneralization

/// Whose styles are in the banks of MODE.
struct StyleExplorationTests {
    private func banks(_ settings: StyleExplorationSettings) throws -> [[Int]] {
        let context = try AlgorithmFixture(isReference: true).context
        let classifier = try context.makeClassifier()
        let training = TrainingStep(classifier, settings: context.optimizer)
        return StyleExploration(settings, classifier, training, context: context, name: "MODE-F")
            .bank(sizes: [30, 20, 10], step: 3)
    }

    @Test func inTurnThoseOfEachDomain() throws {
        let banks = try banks(StyleExplorationSettings())
        #expect(banks.count == 4 && banks[0] == Array(0..<60))
        for (row, range) in zip(banks.dropFirst(), [0..<30, 30..<50, 50..<60]) {
            #expect(row.count == 60 && row.allSatisfy(range.contains))
        }
    }

    @Test func orThoseOfTheWholeStep() throws {
        var settings = StyleExplorationSettings()
        settings.bank = .batch
        let banks = try banks(settings)
        #expect(banks.count == 4 && banks[0] == Array(0..<60))
        for row in banks.dropFirst() {
            // Half of the images are of the first domain.
            let share = Double(row.count { $0 < 30 }) / 60
            #expect(row.count == 60 && (0.25...0.75).contains(share) && row.allSatisfy((0..<60).contains))
            #expect(row.contains { $0 >= 50 })
        }
        #expect(banks[1] != banks[2])
    }
}
