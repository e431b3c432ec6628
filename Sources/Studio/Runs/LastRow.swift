import Foundation

/// What a list shows of the last line of a run's `results.jsonl`.
struct LastRow: Decodable {
    let step: Int
    /// The mean validation accuracy of the source domains, 0…1.
    let sourceValidation: Double?

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private struct Arguments: Decodable {
        let held: [Int]
        private enum CodingKeys: String, CodingKey { case held = "test_envs" }
    }

    init(from decoder: any Decoder) throws {
        let row = try decoder.container(keyedBy: Key.self)
        step = try row.decode(Int.self, forKey: Key(stringValue: "step"))
        let held = (try? row.decode(Arguments.self, forKey: Key(stringValue: "args")))?.held ?? []
        let values = row.allKeys.compactMap { key -> Double? in
            let name = key.stringValue
            guard name.hasPrefix("env"), name.hasSuffix("_out_acc"), let number = Int(name.dropFirst(3).dropLast(8)),
                !held.contains(number)
            else { return nil }
            return try? row.decode(Double.self, forKey: key)
        }
        sourceValidation = values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }

    /// The last whole row of a run.
    init?(folder: String) {
        let lines = FileTail.lines("\(folder)/results.jsonl", bytes: 16 << 10) ?? []
        let found = lines.suffix(2).reversed().lazy.compactMap {
            try? JSONDecoder().decode(LastRow.self, from: Data($0.utf8))
        }.first
        guard let found else { return nil }
        self = found
    }
}
