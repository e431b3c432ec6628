import ArgumentParser
import DomainFusion
import DomainGeneralization
import Foundation
import Foundations

struct StoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store",
        abstract: "Look after the results of diffusion models that runs share.",
        discussion: """
            LD curves, posteriors, candidates and composed images are kept in a folder, addressed by what they depend on, \
            and computed once for all runs. Anything in it may be deleted at any time: it is computed again when needed.

            Examples:
              domainfusion store list
              domainfusion store verify --remove
              domainfusion store prune --max-size 2GB --unused-days 30
            """,
        subcommands: [StoreList.self, StoreVerify.self, StorePrune.self])
}

extension StoreKey.Kind: ExpressibleByArgument {}

struct StoreList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show how much a store holds, or every entry of a kind.")

    @OptionGroup var options: StoreOption

    @Option(help: "List the entries of a kind: curve, candidate, composed, posterior or features.")
    var kind: StoreKey.Kind?

    @Flag(help: "Print one JSON object for each entry.")
    var json = false

    func run() async throws {
        let store = try options.existing()
        let entries = store.entries(of: kind)
        let time = ISO8601DateFormatter()
        if json {
            for entry in entries {
                let line = JSONValue.object([
                    "kind": .string(entry.kind.rawValue), "hash": .string(entry.hash), "bytes": .int(entry.bytes),
                    "lastUse": .string(time.string(from: entry.lastUse)), "description": entry.description ?? .null,
                ])
                print(line.text)
            }
        } else if kind != nil {
            for entry in entries {
                let description = entry.description?.text ?? "damaged; see 'domainfusion store verify'"
                print("\(entry.hash.prefix(12))  \(time.string(from: entry.lastUse))  \(description)")
            }
        } else {
            for kind in StoreKey.Kind.allCases {
                let own = entries.filter { $0.kind == kind }
                let bytes = ByteSize(bytes: own.reduce(0) { $0 + $1.bytes })
                let last = own.map(\.lastUse).max().map { ", last used \(time.string(from: $0))" } ?? ""
                print("\(kind.rawValue): \(own.count) entries, \(bytes)\(last)")
            }
        }
    }
}

struct StoreVerify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Read every entry and compare it with its SHA-256.",
        discussion: "The exit status is 1 when an entry is damaged and stays in the store.")

    @OptionGroup var options: StoreOption

    @Flag(help: "Delete damaged entries.")
    var remove = false

    func run() async throws {
        let store = try options.existing()
        var done = 0
        let problems = try store.verify(remove: remove) { done = $0 }
        for problem in problems { print("\(problem)\(remove ? " (deleted)" : "")") }
        print("\(options.folder): \(done) entries, \(problems.isEmpty ? "all whole" : "\(problems.count) damaged")")
        if !problems.isEmpty, !remove { throw ExitCode(1) }
    }
}

struct StorePrune: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Delete what has not been used for long, or until the rest fits a size.",
        discussion: "What killed processes left unfinished is deleted, too.")

    @OptionGroup var options: StoreOption

    @Option(help: "Delete entries that were not used for this many days.")
    var unusedDays: Double?

    @Option(help: "Then delete the least recently used ones until the rest fits: 500MB, 2GB, 0.")
    var maxSize: ByteSize?

    func validate() throws {
        if let unusedDays, !(0...1e6).contains(unusedDays) {
            throw ValidationError("--unused-days: \(unusedDays) is not in 0...1000000")
        }
    }

    func run() async throws {
        let store = try options.existing()
        let removed = try store.prune(
            usedBefore: unusedDays.map { Date(timeIntervalSinceNow: -$0 * 86_400) }, maxBytes: maxSize?.bytes)
        let bytes = ByteSize(bytes: removed.reduce(0) { $0 + $1.bytes })
        print("\(options.folder): \(removed.count) entries deleted, \(bytes)")
    }
}

/// A number of bytes, written with a unit.
struct ByteSize: ExpressibleByArgument, CustomStringConvertible {
    let bytes: Int

    private static let units: [(name: String, bytes: Double)] = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1)]

    init(bytes: Int) { self.bytes = bytes }

    init?(argument: String) {
        let text = argument.lowercased()
        let unit = Self.units.first { text.hasSuffix($0.name.lowercased()) }
        guard let number = Double(text.dropLast(unit?.name.count ?? 0)), number >= 0,
            let bytes = Int(exactly: (number * (unit?.bytes ?? 1)).rounded())
        else { return nil }
        self.bytes = bytes
    }

    var description: String {
        let unit = Self.units.first { Double(bytes) >= $0.bytes } ?? ("B", 1)
        return unit.bytes == 1 ? "\(bytes) B" : String(format: "%.1f \(unit.name)", Double(bytes) / unit.bytes)
    }
}
