import Foundation
import Foundations

/// A problem of a model folder: one line naming the file and the remedy.
public struct ModelError: Error, CustomStringConvertible, LocalizedError {
    /// The file, what is wrong with it and the remedy, in one line.
    public let description: String
    /// The same text for Foundation's `localizedDescription`.
    public var errorDescription: String? { description }

    /// An error about a model's file or folder; the problem is a phrase with its remedy.
    public init(path: String, _ problem: String) {
        description = "\(path): \(problem)"
    }
}

/// Reads a `config.json` key by key and refuses, by name, what was not read: no setting is ignored in silence.
public struct ConfigReader {
    /// The file that is read, for errors.
    public let path: String
    let values: [String: JSONValue]
    private var seen: Set<String> = []

    /// Reads the file, of which no key counts as read yet.
    /// - Throws: ``ModelError`` when the file is missing, not a JSON object, or names a key twice.
    public init(path: String) throws {
        guard FileManager.default.fileExists(atPath: path) else {
            throw ModelError(path: path, "missing; a model folder in diffusers layout has it")
        }
        self.path = path
        do {
            values = try JSONFile.object(path)
        } catch let error as FileFormatError {
            throw ModelError(path: path, "\(error.problem); \(error.remedy)")
        }
    }

    /// Whether the file sets this to anything but null.
    public mutating func has(_ key: String) -> Bool { value(key) != nil }

    private mutating func value(_ key: String) -> JSONValue? {
        seen.insert(key)
        guard let found = values[key], found != .null else { return nil }
        return found
    }

    private func wrong(_ key: String, _ wanted: String) -> ModelError {
        ModelError(path: path, "\(key) is \(values[key]?.text ?? "missing"); wanted \(wanted)")
    }

    /// A whole number, or the fallback where the file has none; 3.0 is one, true is not.
    /// - Throws: ``ModelError`` naming the key, for any other value.
    public mutating func int(_ key: String, _ fallback: Int) throws -> Int {
        guard let found = value(key) else { return fallback }
        guard let number = found.double.flatMap(Int.init(exactly:)) else {
            throw wrong(key, "an integer")
        }
        return number
    }

    /// A number, or the fallback where the file has none.
    /// - Throws: ``ModelError`` naming the key, for any other value.
    public mutating func double(_ key: String, _ fallback: Double) throws -> Double {
        guard let found = value(key) else { return fallback }
        guard let number = found.double else { throw wrong(key, "a number") }
        return number
    }

    /// A truth value, or the fallback where the file has none; 1 is none.
    /// - Throws: ``ModelError`` naming the key, for any other value.
    public mutating func bool(_ key: String, _ fallback: Bool) throws -> Bool {
        guard let found = value(key) else { return fallback }
        guard let flag = found.bool else { throw wrong(key, "true or false") }
        return flag
    }

    /// A text, or the fallback where the file has none.
    /// - Throws: ``ModelError`` naming the key, for any other value.
    public mutating func string(_ key: String, _ fallback: String) throws -> String {
        guard let found = value(key) else { return fallback }
        guard let text = found.string else { throw wrong(key, "a string") }
        return text
    }

    /// A list of texts, or the fallback where the file has none.
    /// - Throws: ``ModelError`` naming the key, for any other value.
    public mutating func strings(_ key: String, _ fallback: [String]) throws -> [String] {
        guard let found = value(key) else { return fallback }
        guard let list = found.strings else { throw wrong(key, "a list of strings") }
        return list
    }

    /// A list of whole numbers, or the fallback where the file has none.
    /// - Throws: ``ModelError`` naming the key, for any other value.
    public mutating func ints(_ key: String, _ fallback: [Int]) throws -> [Int] {
        guard let found = value(key) else { return fallback }
        guard let list = found.ints else { throw wrong(key, "a list of integers") }
        return list
    }

    /// A list, or one integer for all of `count` places.
    public mutating func intOrInts(_ key: String, _ fallback: Int, count: Int) throws -> [Int] {
        if value(key)?.array != nil {
            let list = try ints(key, [])
            guard list.count == count else { throw wrong(key, "\(count) integers") }
            return list
        }
        return [Int](repeating: try int(key, fallback), count: count)
    }

    /// Keys that are understood at one value only.
    public mutating func require(_ expected: [String: JSONValue]) throws {
        for (key, literal) in expected.sorted(by: { $0.key < $1.key }) {
            guard let found = value(key) else { continue }
            if !literal.matches(found) { throw wrong(key, "\(literal.text) (other values are not supported)") }
        }
    }

    /// Refuses, by its name, a file that describes something else; one that does not say is taken as meant.
    /// - Parameter key: where the name stands: `_class_name` in diffusers' files.
    public mutating func requireClass(_ name: String, key: String = "_class_name") throws {
        let found = value(key)
        let names = found?.strings ?? found?.string.map { [$0] } ?? []
        if !names.isEmpty, !names.contains(name) {
            throw ModelError(path: path, "\(names.joined(separator: ", ")) is not supported here; \(name) is")
        }
    }

    /// The value that the file has for a key, as text, if it is another than the one expected; nil also where it has none.
    mutating func difference(_ key: String, from expected: JSONValue) -> String? {
        guard let found = value(key), !expected.matches(found) else { return nil }
        return found.text
    }

    /// Keys that do not change what a model computes.
    public mutating func ignore(_ keys: [String]) { seen.formUnion(keys) }

    /// Ends the reading of a file, all of whose keys must have been read, required or ignored.
    /// - Throws: ``ModelError`` naming the keys that nobody read.
    public func finish() throws {
        let unknown = values.keys.filter { !seen.contains($0) && !$0.hasPrefix("_") }.sorted()
        if !unknown.isEmpty {
            throw ModelError(path: path, "unknown settings \(unknown.joined(separator: ", ")): not supported")
        }
    }
}

extension JSONValue {
    /// Whether a file's setting is this one: 1 and 1.0 are the same number, and Python's words for numbers that are not finite
    /// stand in some files as texts.
    func matches(_ found: JSONValue) -> Bool {
        if let number = double { return found.double == number || found.string.flatMap(Double.init) == number }
        return self != .null && self == found
    }
}
