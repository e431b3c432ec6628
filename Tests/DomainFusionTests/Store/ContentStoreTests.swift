import DomainFusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing
import Torch

@Suite struct ContentStoreTests {
    private func key(_ seed: Int = 0, _ kind: StoreKey.Kind = .curve) -> StoreKey {
        StoreKey(kind, ["image": .string("abc"), "seed": .int(seed), "strength": .double(0.6)])
    }

    private func state(_ values: [Float]) -> StateDict {
        var state = StateDict()
        state["values"] = Tensor(values)
        return state
    }

    private func picture(_ shade: UInt8) -> RGBImage {
        var image = RGBImage(width: 5, height: 3, fill: RGB(shade, 7, 200))
        image[2, 1] = .black
        return image
    }

    /// The only file in a store with an extension.
    private func file(_ folder: String, _ suffix: String) throws -> String {
        let found = try files(in: folder).keys.filter { $0.hasSuffix(suffix) }
        return folder + "/" + (try #require(found.first))
    }

    @Test func keysDependOnEveryPartAndNotOnTheirOrder() {
        let parts: [String: JSONValue] = ["b": .int(1), "a": .string("x"), "c": .array([.double(0.5), .null])]
        let reordered = Dictionary(uniqueKeysWithValues: parts.sorted { $0.key > $1.key })
        #expect(StoreKey(.curve, parts) == StoreKey(.curve, reordered))
        #expect(StoreKey(.curve, parts).hash.count == 64)
        #expect(StoreKey(.curve, parts).hash != StoreKey(.posterior, parts).hash)
        #expect(StoreKey(.curve, parts).hash != StoreKey(.curve, parts.merging(["b": .int(2)]) { $1 }).hash)
    }

    @Test func hashesAreSHA256() {
        #expect(SHA256Sum.of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        let (wide, high) = (RGBImage(width: 4, height: 1), RGBImage(width: 1, height: 4))
        #expect(SHA256Sum.of(wide) != SHA256Sum.of(high))
    }

    @Test func computesOnceAndKeepsTheDescription() throws {
        try withTemporaryFolder { folder in
            var computed = 0
            var ledger = Ledger()
            for _ in 0..<3 {
                let found = try ContentStore(folder).tensors(for: key(), ledger: &ledger) { _ in
                    computed += 1
                    return state([1, 2, 3])
                }
                #expect(found["values"]?.scalars(Float.self) == [1, 2, 3])
            }
            #expect(computed == 1)
            let hash = key().hash
            #expect(
                Set(try files(in: folder).keys.filter { !$0.hasSuffix(".lock") }) == [
                    "curve/\(hash.prefix(2))/\(hash).json", "curve/\(hash.prefix(2))/\(hash).safetensors",
                ])
            let entry = try #require(ContentStore(folder).entries().first)
            #expect(entry.description == key().description)
            #expect(entry.kind == .curve && entry.bytes > 12)
            #expect(ledger.bytes == entry.bytes)
        }
    }

    @Test func keepsImagesWithNotes() throws {
        try withTemporaryFolder { folder in
            let store = ContentStore(folder)
            let key = key(1, .composed)
            #expect(store.image(for: key) == nil)
            try store.put(picture(9), notes: .object(["style": .int(3), "similarity": .double(0.25)]), for: key)
            let found = try #require(store.image(for: key))
            #expect(found.image == picture(9))
            #expect(found.notes["similarity"]?.double == 0.25)
        }
    }

    @Test func theFirstValueStays() throws {
        try withTemporaryFolder { folder in
            let store = ContentStore(folder)
            try store.put(state([1]), for: key())
            #expect(try store.put(state([2]), for: key())["values"]?.scalars(Float.self) == [1])
        }
    }

    @Test(arguments: ["flipped", "truncated", "empty", "missing", "note", "description", "no JSON"])
    func damagedEntriesCountAsAbsent(_ damage: String) throws {
        try withTemporaryFolder { folder in
            let store = ContentStore(folder)
            let key = key(0, .candidate)
            try store.put(picture(1), notes: .int(5), for: key)
            let (content, sidecar) = (try file(folder, ".png"), try file(folder, ".json"))
            var bytes = try Data(contentsOf: URL(fileURLWithPath: content))
            let text = try String(contentsOfFile: sidecar, encoding: .utf8)
            switch damage {
            case "flipped":
                bytes[bytes.count / 2] ^= 1
                try bytes.write(to: URL(fileURLWithPath: content))
            case "truncated": try bytes.prefix(bytes.count / 2).write(to: URL(fileURLWithPath: content))
            case "empty": try Data().write(to: URL(fileURLWithPath: content))
            case "missing": try FileManager.default.removeItem(atPath: content)
            case "note":
                try text.replacingOccurrences(of: "\"notes\":5", with: "\"notes\":6")
                    .write(toFile: sidecar, atomically: true, encoding: .utf8)
            case "description":
                try text.replacingOccurrences(of: "abc", with: "abd")
                    .write(toFile: sidecar, atomically: true, encoding: .utf8)
            default: try "{\"kind".write(toFile: sidecar, atomically: true, encoding: .utf8)
            }
            #expect(store.image(for: key) == nil)
            let problems = try store.verify()
            #expect(problems.count == 1)
            #expect(problems.first.map { "\($0)".contains(sidecar) && !"\($0)".contains("\n") } == true)
            // Worked out again, it takes the damaged one's place.
            #expect(try store.put(picture(2), for: key).image == picture(2))
            #expect(store.image(for: key)?.image == picture(2))
            #expect(try store.verify().isEmpty)
        }
    }

    @Test func verifyCanRemoveWhatIsDamaged() throws {
        try withTemporaryFolder { folder in
            let store = ContentStore(folder)
            try store.put(state([1]), for: key(1))
            try store.put(state([2]), for: key(2))
            try Data([1, 2, 3]).write(to: URL(fileURLWithPath: try file(folder, ".safetensors")))
            #expect(try store.verify(remove: true).count == 1)
            #expect(try store.verify().isEmpty)
            #expect(store.entries().count == 1)
        }
    }

    @Test func contentWithoutItsDescriptionIsNoEntry() throws {
        try withTemporaryFolder { folder in
            let store = ContentStore(folder)
            try store.put(state([1]), for: key())
            // As after a kill between the two files.
            try FileManager.default.removeItem(atPath: try file(folder, ".json"))
            let temporary = try file(folder, ".safetensors") + ".tmp-99"
            try Data([0]).write(to: URL(fileURLWithPath: temporary))
            #expect(store.tensors(for: key()) == nil)
            try store.prune()
            #expect(try files(in: folder).keys.allSatisfy { $0.hasSuffix(".lock") })
            #expect(try store.put(state([3]), for: key())["values"]?.item() == 3)
        }
    }

    @Test func manyWritersAndReadersAgree() throws {
        try withTemporaryFolder { folder in
            let results = try parallelMap(64, threads: 8) { number in
                let store = ContentStore(folder)
                var ledger = Ledger()
                let found = try store.tensors(for: key(number % 4), ledger: &ledger) { _ in state([Float(number)]) }
                return (number % 4, found["values"]?.item() ?? -1)
            }
            for seed in 0..<4 {
                let values = Set(results.filter { $0.0 == seed }.map(\.1))
                #expect(values.count == 1, "every reader of key \(seed) got the same value")
            }
            #expect(try ContentStore(folder).verify().isEmpty)
            #expect(ContentStore(folder).entries(of: .curve).count == 4)
        }
    }

    @Test func prunesByAgeAndSize() throws {
        try withTemporaryFolder { folder in
            let store = ContentStore(folder)
            for seed in 0..<4 { try store.put(state([Float](repeating: 0, count: 100)), for: key(seed)) }
            func age(_ entry: StoreEntry, days: Double) throws {
                try FileManager.default.setAttributes(
                    [.modificationDate: Date(timeIntervalSinceNow: -days * 86_400)], ofItemAtPath: entry.path)
            }
            let oldest = try #require(store.entries().first { $0.hash == key(2).hash })
            try age(oldest, days: 40)
            #expect(try store.prune(usedBefore: Date(timeIntervalSinceNow: -30 * 86_400)).map(\.hash) == [key(2).hash])
            for (days, entry) in store.entries().enumerated() { try age(entry, days: Double(days + 1)) }
            // Reading makes an entry the most recently used.
            let used = try #require(store.entries().min { $0.lastUse < $1.lastUse })
            let seed = try #require((0..<4).first { key($0).hash == used.hash })
            #expect(store.tensors(for: key(seed)) != nil)
            try store.prune(maxBytes: used.bytes)
            #expect(store.entries().map(\.hash) == [used.hash])
            try store.prune(maxBytes: 0)
            #expect(store.entries().isEmpty)
        }
    }

    @Test func aStoreThatCannotBeWrittenIsAUserError() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/file"
            try Data([1]).write(to: URL(fileURLWithPath: path))
            let error = #expect(throws: UserError.self) { try ContentStore(path).put(state([1]), for: key()) }
            #expect(error.map { $0.message.contains(path) && $0.message.contains("--store") } == true)
            #expect(ContentStore("\(folder)/none").entries().isEmpty)
        }
    }
}
