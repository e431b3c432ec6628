import DomainGeneralization
import Foundation
import Yams

/// Settings as YAML text.
public enum YAML {
    /// The value of a YAML document; a group of settings without members for an empty one.
    /// - Parameter name: what errors call the text, its path.
    /// - Throws: ``UserError`` with the line of a mistake.
    public static func parse(_ text: String, name: String) throws -> JSONValue {
        do {
            guard let node = try Yams.compose(yaml: text) else { return .object([:]) }
            return try value(of: node, name: name)
        } catch let error as YamlError {
            throw UserError("\(name): not valid YAML (\(explanation(of: error)))")
        }
    }

    /// The value in a file.
    /// - Throws: ``UserError`` for a file that cannot be read or is no YAML.
    public static func read(_ path: String) throws -> JSONValue {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw UserError("\(path): no such file, or it cannot be read; check the path")
        }
        let text = String(decoding: data, as: UTF8.self)
        // Some editors begin a file with a byte order mark.
        return try parse(text.hasPrefix("\u{FEFF}") ? String(text.dropFirst()) : text, name: path)
    }

    /// YAML text of a value, keys sorted.
    public static func text(_ value: JSONValue) -> String {
        (try? Yams.serialize(node: node(of: value), sortKeys: true)) ?? ""
    }

    private static func value(of node: Node, name: String) throws -> JSONValue {
        switch node {
        case .mapping(let mapping):
            var members: [String: JSONValue] = [:]
            for (key, member) in mapping {
                guard let key = key.scalar?.string else { throw UserError("\(name): a setting's name is no text") }
                members[key] = try value(of: member, name: name)
            }
            return .object(members)
        case .sequence(let sequence): return .array(try sequence.map { try value(of: $0, name: name) })
        case .scalar(let scalar):
            guard scalar.style == .plain || scalar.style == .any else { return .string(scalar.string) }
            if node.null != nil { return .null }
            if let bool = bool(scalar.string) { return .bool(bool) }
            if let int = Int(scalar.string) { return .int(int) }
            if let double = Double(scalar.string) { return .double(double) }
            return .string(scalar.string)
        case .alias: throw UserError("\(name): YAML aliases are not supported; write the value out")
        }
    }

    /// YAML 1.2's: `off`, `no` and `y` are texts.
    private static func bool(_ text: String) -> Bool? {
        switch text {
        case "true", "True", "TRUE": true
        case "false", "False", "FALSE": false
        default: nil
        }
    }

    private static func node(of value: JSONValue) throws -> Node {
        switch value {
        case .null: return Node("null", Tag(.null))
        case .bool(let value): return Node(value ? "true" : "false", Tag(.bool))
        case .int(let value): return Node(String(value), Tag(.int))
        case .double(let value): return Node("\(value)", Tag(.float))
        case .string(let text):
            // Other readers take more words for true and false than we do.
            let isPlain = (try? parse(text, name: "")) == .string(text) && Node(text).bool == nil
            return Node(text, Tag(.str), isPlain ? .any : .singleQuoted)
        case .array(let elements): return Node(try elements.map(node), Tag(.implicit), .flow)
        case .object(let members):
            return Node(try members.sorted { $0.key < $1.key }.map { (Node($0.key), try node(of: $0.value)) })
        }
    }

    private static func explanation(of error: YamlError) -> String {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            "line \(mark.line): \(problem)"
        case .duplicatedKeysInMapping(let keys, _): "set twice: \(keys.joined(separator: ", "))"
        default: "\(error)".split(separator: "\n").first.map(String.init) ?? "unknown mistake"
        }
    }
}
