import DomainFusion
import DomainGeneralization
import Foundation
import Foundations
import TestSupport
import Testing

@Suite struct LedgerTests {
    @Test func useIsCountedOnceARound() {
        var ledger = Ledger()
        ledger.use(round: 1, generated: 40, composed: 10)
        ledger.generatedMade += 30
        ledger.use(round: 1, generated: 40, composed: 10)
        #expect(ledger.generatedUsed == 40 && ledger.composedUsed == 10)
        #expect(ledger.generatedFromStore == 10)
        ledger.use(round: 2, generated: 40, composed: 9)
        #expect(ledger.generatedUsed == 80 && ledger.rounds == 2)
    }

    @Test func savingAgainstCDGAIsOnGeneratedImages() {
        var ledger = Ledger()
        let cdga = Ledger.cdgaImages(sourceImages: 1000, sourceDomains: 4)
        #expect(cdga == 4000)
        ledger.use(round: 1, generated: 120, composed: 30)
        #expect(abs(ledger.saving(againstCDGA: cdga) - 0.97) < 1e-12)
        ledger.use(round: 2, generated: 7880, composed: 30)
        #expect(ledger.saving(againstCDGA: cdga) == -1)
    }

    @Test func isWrittenAndTakenUpAgain() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/ledger.json"
            #expect(try Ledger(path: path) == Ledger())
            var ledger = Ledger()
            ledger.use(round: 1, generated: 8, composed: 2)
            ledger.unetEvaluations = 320
            ledger.vaePasses = 16
            let result = ledger.time("generation") { ledger in
                ledger.generatedMade += 8
                return 5
            }
            #expect(result == 5 && (ledger.seconds["generation"] ?? -1) >= 0)
            try ledger.write(to: path)
            #expect(try Ledger(path: path) == ledger)
            // One of version 0.2.0, which counts no bytes.
            let old = try String(contentsOfFile: path, encoding: .utf8)
            var members = try #require(JSONValue(json: Data(old.utf8))?.object)
            members["bytes"] = nil
            members["sha256"] = nil
            try JSONValue.object(members).text.write(toFile: path, atomically: true, encoding: .utf8)
            #expect(try Ledger(path: path) == ledger)
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(text.contains("\"generatedFromStore\":0"))
            try "{}".write(toFile: path, atomically: true, encoding: .utf8)
            let error = #expect(throws: UserError.self) { try Ledger(path: path) }
            #expect(error?.message.contains(path) == true)
        }
    }
}
