import DomainFusion
import Foundation
import Pixels
import Testing
import Torch

struct StoreCommandTests {
    let program: Program

    init() throws {
        program = try Program()
        let store = ContentStore("\(program.folder)/store")
        var ledger = Ledger()
        for seed in 0..<3 {
            var curve = StateDict()
            curve["values"] = Tensor([Float(seed)])
            try store.put(curve, for: StoreKey(.curve, ["seed": .int(seed)]), ledger: &ledger)
        }
        try store.put(
            RGBImage(width: 2, height: 2), for: StoreKey(.candidate, ["prompt": .string("a lion")]), ledger: &ledger)
    }

    @Test func listCountsKindsAndDescribesEntries() throws {
        let result = try program("store", "list")
        #expect(result.status == 0, "\(result.errors)")
        let lines = result.output.split(separator: "\n")
        #expect(lines.count == 5)
        #expect(lines[0].hasPrefix("curve: 3 entries, ") && lines[1].hasPrefix("candidate: 1 entries, "))
        #expect(lines[3] == "posterior: 0 entries, 0 B" && lines[4] == "features: 0 entries, 0 B")
        #expect(try program("store", "list", "--kind", "candidate").output.contains("{\"prompt\":\"a lion\"}"))
        #expect(try program("store", "list", "--json").output.split(separator: "\n").count == 4)
    }

    @Test func verifyFindsDamage() throws {
        #expect(try program("store", "verify").output == "store: 4 entries, all whole\n")
        let entry = try #require(ContentStore("\(program.folder)/store").entries(of: .candidate).first)
        try Data([0]).write(to: URL(fileURLWithPath: "\(entry.path.dropLast(5)).png"))
        let result = try program("store", "verify")
        #expect(result.status == 1 && result.errors.isEmpty)
        #expect(result.output.contains("its content is damaged") && result.output.contains("4 entries, 1 damaged"))
        #expect(try program("store", "verify", "--remove").status == 0)
        #expect(try program("store", "verify").output == "store: 3 entries, all whole\n")
    }

    @Test func pruneDeletesToASize() throws {
        #expect(try program("store", "prune", "--unused-days", "1").output == "store: 0 entries deleted, 0 B\n")
        #expect(try program("store", "prune", "--max-size", "1kB").status == 0)
        let bytes = ContentStore("\(program.folder)/store").entries().reduce(0) { $0 + $1.bytes }
        #expect(bytes > 0 && bytes <= 1000)
        #expect(try program("store", "prune", "--max-size", "0").status == 0)
        #expect(ContentStore("\(program.folder)/store").entries().isEmpty)
    }

    @Test(arguments: [
        ["store", "list", "--store", "none"], ["store", "prune", "--max-size", "much"],
        ["store", "prune", "--unused-days", "-1"], ["store", "list", "--kind", "picture"],
    ])
    func mistakesAreOneLine(_ arguments: [String]) throws {
        let result = try program.run(arguments)
        #expect(result.isPlainError, "\(result.errors)")
    }
}
