import Experiments
import Foundation

/// What a run's event files tell of its steps, read piece by piece as it trains.
struct RunHistory: Sendable {
    /// A value after a step.
    struct Point: Sendable, Equatable {
        let step: Int
        let value: Double
    }

    /// The losses by name, in the order of steps.
    private(set) var losses: [String: [Point]] = [:]
    private let folder: String
    private var files: [EventFile] = []
    /// The last steps with their times, in seconds.
    private var recent: [(step: Int, time: Double)] = []

    private static let mostLosses = 6
    /// Of a longer run every second point is left out, again and again.
    private static let mostPoints = 8192
    private static let recentSteps = 40

    init(folder: String) { self.folder = folder }

    /// The last step that the files tell of.
    var step: Int { recent.last?.step ?? 0 }

    /// When that step was done.
    var time: Date? { recent.last.map { Date(timeIntervalSince1970: $0.time) } }

    /// Seconds that a step takes, over the last ones.
    var secondsPerStep: Double? {
        guard let first = recent.first, let last = recent.last, last.step > first.step, last.time > first.time else {
            return nil
        }
        return (last.time - first.time) / Double(last.step - first.step)
    }

    /// Reads what has come since the last time.
    mutating func read() {
        files = EventFile.all(in: folder).map { file in files.first { $0.path == file.path } ?? file }
        for index in files.indices {
            while let scalars = files[index].next() { scalars.forEach { take($0) } }
        }
    }

    private mutating func take(_ scalar: EventScalar) {
        guard scalar.tag.hasPrefix("train/"), scalar.tag.hasSuffix("loss"), (0..<1 << 50).contains(scalar.step),
            abs(scalar.value) < 1e30
        else { return }
        // A run that goes on from a checkpoint writes some steps again.
        if scalar.tag == "train/loss" {
            while let last = recent.last, last.step >= scalar.step { recent.removeLast() }
            recent.append((scalar.step, scalar.time))
            if recent.count > Self.recentSteps { recent.removeFirst() }
        }
        let name = String(scalar.tag.dropFirst("train/".count)).replacing("_", with: " ")
        guard losses[name] != nil || losses.count < Self.mostLosses else { return }
        var points = losses.removeValue(forKey: name) ?? []
        while let last = points.last, last.step >= scalar.step { points.removeLast() }
        points.append(Point(step: scalar.step, value: scalar.value))
        if points.count > Self.mostPoints {
            points = points.indices.filter { $0 % 2 == 0 }.map { points[$0] }
        }
        losses[name] = points
    }

    /// Points as a plot shows them: means over so many pieces of the steps at most.
    static func thinned(_ points: [Point], to count: Int) -> [(x: Double, y: Double)] {
        let size = max(1, (points.count + count - 1) / count)
        return stride(from: 0, to: points.count, by: size).map { start in
            let part = points[start..<min(start + size, points.count)]
            return (
                x: Double(part.reduce(0) { $0 + $1.step }) / Double(part.count),
                y: part.reduce(0) { $0 + $1.value } / Double(part.count)
            )
        }
    }
}
