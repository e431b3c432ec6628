import DomainGeneralization
import Foundations
import TestSupport
import Testing

@testable import DomainFusion

struct RoundsAheadTests {
    @Test func setsAreThoseInSequence() throws {
        try withTemporaryFolder { folder in
            var (waited, ahead) = (Ledger(), Ledger())
            let augmentation = try someAugmentation(someSettings(), store: "\(folder)/a")
            let sets = try (1...4).map { try augmentation.set(round: $0, folder: "\(folder)/r", ledger: &waited) }
            let other = try someAugmentation(someSettings { $0.ahead = true }, store: "\(folder)/b")
            #expect(other.recipe == augmentation.recipe)
            let first = try other.set(round: 1, folder: "\(folder)/s", ledger: &ahead)
            let rounds = RoundsAhead(other, after: first, last: 4)
            for round in 2...4 {
                #expect(rounds.next == round)
                let set = try rounds.set()
                try other.take(set, folder: "\(folder)/s", ledger: &ahead)
                #expect(set.images == sets[round - 1].images && set.records == sets[round - 1].records)
            }
            rounds.stop()
            ahead.add(work: rounds.work())
            #expect(ahead.generatedMade == 4 * 7 * 3 && ahead.generatedUsed == waited.generatedUsed)
            #expect(ahead.composedMade == waited.composedMade && ahead.unetEvaluations == waited.unetEvaluations)
            #expect(try files(in: "\(folder)/s") == files(in: "\(folder)/r"))
        }
    }

    /// A run that ends early waits for no round, and counts what was made of it; the store serves the run that goes on.
    @Test func aRoundIsGivenUp() throws {
        try withTemporaryFolder { folder in
            var ledger = Ledger()
            let augmentation = try someAugmentation(someSettings { $0.budget = 0 }, store: "\(folder)/a")
            let first = try augmentation.set(round: 1, folder: "\(folder)/r", ledger: &ledger)
            let rounds = RoundsAhead(augmentation, after: first, last: 9)
            rounds.stop()
            let work = rounds.work()
            // Round 3 is begun when round 2 is taken.
            #expect(work.generatedMade <= 27 * 3)
            _ = try augmentation.set(round: 2, folder: "\(folder)/r", ledger: &ledger)
            #expect(ledger.generatedMade + work.generatedMade >= 2 * 27 * 3)
            #expect(rounds.work().generatedMade == 0)
        }
    }

    @Test func failuresAreThoseOfTheRound() throws {
        try withTemporaryFolder { folder in
            var ledger = Ledger()
            let generator = Restyler()
            let augmentation = try someAugmentation(someSettings(), store: "\(folder)/a", generator: generator)
            let first = try augmentation.set(round: 1, folder: "\(folder)/r", ledger: &ledger)
            generator.isBroken = true
            let rounds = RoundsAhead(augmentation, after: first, last: 2)
            let error = #expect(throws: UserError.self) { _ = try rounds.set() }
            #expect(error?.message.hasPrefix("the diffusion model gave numbers that are not finite") == true)
        }
    }
}
