import Foundation
import Foundations
import Logging

/// How far a piece of work is: a bar with rate and remaining time on a terminal, now and then a plain line elsewhere.
final class Progress: @unchecked Sendable {  // variables are guarded by the lock
    private let lock = NSLock()
    private let label: String
    private let unit: String
    private let isTerminal = Terminal.isInteractive()
    /// The first call: what came before it, such as work that precedes a training's steps, says nothing of the rate.
    private var first: (done: Int, at: Date)?
    private var last = 0
    private var shown = Date.distantPast
    private var width = 0

    /// - Parameter unit: what is counted, in the plural.
    init(_ label: String, unit: String) {
        self.label = label
        self.unit = unit
    }

    /// Shows that `done` of `total` are done. Fewer than before are another piece of work's.
    func show(_ done: Int, of total: Int, note: String = "") {
        lock.withLock {
            let now = Date()
            let start = first.flatMap { done < last ? nil : $0 } ?? (done: done, at: now)
            (first, last) = (start, done)
            // Quiet work that ends within the first seconds stays quiet where there is no terminal.
            guard now.timeIntervalSince(shown) >= (isTerminal ? 0.1 : 15) || isTerminal && done == total else { return }
            if !isTerminal, shown == .distantPast {
                shown = now
                return
            }
            shown = now
            let elapsed = max(now.timeIntervalSince(start.at), 1e-6)
            let rate = Double(done - start.done) / elapsed
            var parts = ["\(label) \(done)/\(total)"]
            if rate > 0 {
                parts.append("\(Self.number(rate)) \(unit)/s")
                parts.append("\(Self.duration(Double(total - done) / rate)) left")
            }
            if !note.isEmpty { parts.append(note) }
            draw(parts, share: total > 0 ? Double(done) / Double(total) : 0)
        }
    }

    private func draw(_ texts: [String], share: Double) {
        let parts = texts.map { plainText($0) }
        guard isTerminal else { return printError(parts.joined(separator: ", ")) }
        let cells = 20
        let filled = min(cells, Int(share * Double(cells)))
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: cells - filled)
        let line = "\(bar) \(parts.joined(separator: "  "))"
        let padding = String(repeating: " ", count: max(0, width - line.count))
        width = line.count
        Terminal.writeError("\r\(line)\(padding)")
    }

    /// Takes the bar away, for a line of text.
    func clear() {
        lock.withLock {
            guard isTerminal, width > 0 else { return }
            Terminal.writeError("\r\(String(repeating: " ", count: width))\r")
            width = 0
        }
    }

    /// Prints a line in the bar's place; the bar comes back with the next change.
    func print(_ line: String) {
        clear()
        printError(line)
    }

    static func number(_ value: Double) -> String {
        String(format: value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : "%.2f", value)
    }

    /// "1:05:09" or "5:09".
    static func duration(_ seconds: Double) -> String {
        let whole = Int(clamping: seconds.rounded())
        let tail = String(format: "%02d", whole % 60)
        return whole >= 3600
            ? "\(whole / 3600):\(String(format: "%02d", whole / 60 % 60)):\(tail)" : "\(whole / 60):\(tail)"
    }
}

/// Log messages as lines on standard error, above the progress bar.
struct LineLog: LogHandler {
    let progress: Progress
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    init(progress: Progress) {
        self.progress = progress
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        progress.print(event.level >= .warning ? "\(event.level): \(event.message)" : "\(event.message)")
    }
}
