import DomainGeneralization
import Foundation
import Foundations
import Yams

/// Settings as YAML text.
///
/// What a text takes in memory and time is bounded: by its length, the depth of its groups, and the number of its values,
/// which aliases can multiply.
public enum YAML {
    private static let longest = 1_000_000
    private static let deepest = 64
    private static let mostValues = 100_000

    /// The value of a YAML document; a group of settings without members for an empty one.
    /// - Parameter name: what errors call the text, its path.
    /// - Throws: `UserError` with the line of a mistake.
    public static func parse(_ text: String, name: String) throws -> JSONValue {
        guard text.utf8.count <= longest else {
            throw UserError("\(name): \(text.utf8.count) bytes are too long for settings; name a file of settings")
        }
        try refuseAliasesInNames(text, name: name)
        do {
            guard let node = try Yams.compose(yaml: text) else { return .object([:]) }
            var left = mostValues
            return try value(of: node, name: name, depth: 0, &left)
        } catch let error as YamlError {
            throw UserError("\(name): not valid YAML (\(explanation(of: error)))")
        }
    }

    /// Refuses aliases in the names of settings: the parser compares names, and would walk through all that the aliases stand
    /// for, however large. No setting has such a name.
    private static func refuseAliasesInNames(_ text: String, name: String) throws {
        guard text.utf8.contains(UInt8(ascii: "*")), text.contains(/(^|[\s,\[{:?-])\*\w/) else { return }
        // A name is an alias, a list or a group on one line, or comes after a question mark.
        let names = /\*[\w-]+[ \t]*:|\*[^\n]*[\]}][ \t]*:|(^|[\s\[{,])\?\s/
        if text.contains(names.anchorsMatchLineEndings()) {
            throw UserError(
                "\(name): an alias (*name) stands in or before a setting's name; write the value out, or begin a new line "
                    + "after the alias")
        }
    }

    /// The value in a file.
    /// - Throws: `UserError` for a file that cannot be read or is no YAML.
    public static func read(_ path: String) throws -> JSONValue {
        guard let data = Files.contents(path) else {
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

    /// - Parameter left: how many values the text may still have.
    private static func value(of node: Node, name: String, depth: Int, _ left: inout Int) throws -> JSONValue {
        guard depth < deepest else {
            throw UserError("\(name): groups and lists lie more than \(deepest) deep in each other; flatten them")
        }
        left -= 1
        guard left >= 0 else {
            throw UserError("\(name): more than \(mostValues) values, counting what aliases stand for; write fewer")
        }
        switch node {
        case .mapping(let mapping):
            var members: [String: JSONValue] = [:]
            for (key, member) in mapping {
                guard let key = key.scalar?.string else { throw UserError("\(name): a setting's name is no text") }
                members[key] = try value(of: member, name: name, depth: depth + 1, &left)
            }
            return .object(members)
        case .sequence(let sequence):
            var elements: [JSONValue] = []
            for element in sequence { elements.append(try value(of: element, name: name, depth: depth + 1, &left)) }
            return .array(elements)
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
