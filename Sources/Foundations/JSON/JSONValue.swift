import Foundation

/// A JSON value: what a setting, a result row or a saved state is written as.
public enum JSONValue: Sendable, Equatable {
    /// JSON's `null`, and what is not set.
    case null
    /// JSON's `true` or `false`.
    case bool(Bool)
    /// A whole number, written without a point or an exponent, that fits `Int`.
    case int(Int)
    /// Any other number; read also from Python's `NaN`, `Infinity` and `-Infinity`.
    case double(Double)
    /// A text, which may hold any Unicode.
    case string(String)
    /// A list of values of any kinds.
    case array([JSONValue])
    /// Members by name; a name occurs once.
    case object([String: JSONValue])

    /// What an encodable value is written as.
    public init(encoding value: some Encodable) throws {
        self = try JSONDecoder().decode(JSONValue.self, from: Self.encoder.encode(value))
    }

    /// A list of whole numbers: `[1, 2]`.
    public init(_ numbers: [Int]) { self = .array(numbers.map(JSONValue.int)) }

    /// A list of texts: `["art", "photo"]`.
    public init(_ texts: [String]) { self = .array(texts.map(JSONValue.string)) }

    /// The value that a text says, with the numbers that Python writes and JSON has no words for: `NaN`, `Infinity`,
    /// `-Infinity`.
    /// - Parameter text: UTF-8.
    /// - Returns: nil for what is not JSON, names a key twice, or is nested deeper than 32 levels.
    public init?(json text: some Sequence<UInt8>) {
        let value: JSONValue? = Array(text).withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            guard let value = try? scanner.value(), (try? scanner.end()) != nil else { return nil }
            return value
        }
        guard let value else { return nil }
        self = value
    }

    /// The value of a type that is written like this.
    public func decoded<Value: Decodable>(as type: Value.Type = Value.self) throws -> Value {
        try JSONDecoder().decode(type, from: Self.encoder.encode(self))
    }

    /// The value of an object's member; nil where there is none.
    public subscript(key: String) -> JSONValue? {
        if case .object(let members) = self { members[key] } else { nil }
    }

    /// The members of an object; nil for any other value.
    public var object: [String: JSONValue]? { if case .object(let members) = self { members } else { nil } }
    /// The elements of a list; nil for any other value.
    public var array: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
    /// The texts of a list that holds nothing else; nil for any other value.
    public var strings: [String]? { all(\.string) }
    /// The numbers of a list that holds whole ones alone; nil for any other value.
    public var ints: [Int]? { all(\.int) }
    /// The text of a string; nil for any other value.
    public var string: String? { if case .string(let text) = self { text } else { nil } }
    /// A truth value; nil for any other value, numbers among them.
    public var bool: Bool? { if case .bool(let flag) = self { flag } else { nil } }
    /// A whole number; nil for any other value, 1.0 among them.
    public var int: Int? { if case .int(let number) = self { number } else { nil } }
    /// A number, whole or not; nil for any other value.
    public var double: Double? {
        switch self {
        case .double(let number): number
        case .int(let number): Double(number)
        default: nil
        }
    }

    private func all<Element>(_ element: (JSONValue) -> Element?) -> [Element]? {
        guard let elements = array else { return nil }
        let found = elements.compactMap(element)
        return found.count == elements.count ? found : nil
    }

    /// This value with another over it: objects are merged member by member, all else is replaced.
    public func overlaid(by other: JSONValue) -> JSONValue {
        guard case .object(let own) = self, case .object(let new) = other else { return other }
        return .object(own.merging(new) { $0.overlaid(by: $1) })
    }

    /// JSON text on one line, keys sorted.
    public var text: String {
        (try? Self.encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "null"
    }

    /// JSON text with sorted keys, one a line.
    public var prettyText: String {
        let encoder = Self.encoder
        encoder.outputFormatting.insert(.prettyPrinted)
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "null"
    }

    /// What the kind of value is called in an error.
    public var kindName: String {
        switch self {
        case .null: "nothing"
        case .bool: "true or false"
        case .int: "a whole number"
        case .double: "a number"
        case .string: "a text"
        case .array: "a list"
        case .object: "a group of settings"
        }
    }

    private static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        return encoder
    }
}

extension JSONValue: Codable {
    /// Reads any value; a number that fits `Int` and is whole becomes ``int(_:)``.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int.self) {
            self = .int(value)
        } else if let value = try? container.decode(Double.self) {
            self = .double(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    /// Writes the value as JSON of its own kind.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .int(let value): try container.encode(value)
        case .double(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }
}

extension JSONValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// A truth value written in Swift: `["augment": true]`.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// A whole number written in Swift: `["steps": 300]`.
    public init(integerLiteral value: Int) { self = .int(value) }
    /// A number written in Swift: `["lr": 5e-5]`.
    public init(floatLiteral value: Double) { self = .double(value) }
    /// A text written in Swift: `["algorithm": "ERM"]`.
    public init(stringLiteral value: String) { self = .string(value) }
    /// A list written in Swift: `["domains": ["art", "photo"]]`.
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    /// An object written in Swift; of a name that occurs twice the last value counts.
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(Dictionary(elements) { $1 })
    }
}

extension JSONValue {
    /// Objects in each other with a value at a name with dots: the opposite of ``flattened(prefix:)``.
    public init(_ value: JSONValue, at name: String) {
        self = name.split(separator: ".").reversed().reduce(value) { .object([String($1): $0]) }
    }

    /// The values of nested objects by their names with dots: `backbone.dropout`.
    public func flattened(prefix: String = "") -> [String: JSONValue] {
        guard case .object(let members) = self else { return [prefix: self] }
        return members.reduce(into: [:]) { result, member in
            let name = prefix.isEmpty ? member.key : "\(prefix).\(member.key)"
            result.merge(member.value.flattened(prefix: name)) { $1 }
        }
    }
}
