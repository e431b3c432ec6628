import Foundation
import Foundations
import Torch

/// The `log.jsonl` that a training writes: a line of JSON now and then, with a step and values.
struct TrainingLogFile {
    let path: String

    /// Adds a line.
    /// - Returns: the line.
    /// - Throws: `FileFormatError` for a file that cannot be written.
    func add(step: Int, images: Int, _ values: [(String, Double)]) throws -> String {
        let pairs = values.map { "\"\($0.0)\": \(String(format: "%.6g", $0.1))" }.joined(separator: ", ")
        let line = "{\"step\": \(step), \"images\": \(images), \(pairs)}"
        try AppendedFile(path).append(Data((line + "\n").utf8))
        return line
    }

    /// Removes the lines of later steps, which are done again, and a last one that a kill has cut.
    /// - Throws: `FileFormatError` for a file that cannot be written.
    func cut(after step: Int) throws {
        guard let data = Files.contents(path) else { return }
        let lines = String(decoding: data, as: UTF8.self).split(separator: "\n")
        let kept = lines.filter { line in
            guard let value = try? JSONDecoder().decode(Line.self, from: Data(line.utf8)) else { return false }
            return value.step <= step
        }
        guard kept.count < lines.count || data.last != UInt8(ascii: "\n") else { return }
        try AtomicFile.write(kept.map { $0 + "\n" }.joined(), to: path)
    }

    private struct Line: Decodable {
        let step: Int
    }
}
