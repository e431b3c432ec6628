import DomainGeneralization
import Foundation
import Foundations
import Pixels

/// The `log.jsonl` of a model's training.
public struct TrainingLog {
    private let lines: [[String: JSONValue]]

    /// Reads a log; a last line that was cut off is left out.
    /// - Throws: `UserError` for a file that is missing or holds no line of a log.
    public init(path: String) throws {
        guard let data = Files.contents(path) else {
            throw UserError(
                "\(path): no such file; name the log.jsonl in the --work folder of 'domainfusion ldm train'")
        }
        lines = data.split(separator: UInt8(ascii: "\n")).compactMap { JSONValue(json: $0)?.object }
        guard !lines.isEmpty else { throw UserError("\(path): no line of a training's log in it") }
    }

    /// Seconds of the steps that the lines tell of, of all processes.
    public var seconds: Double {
        var (sum, before) = (0.0, 0.0)
        for line in lines {
            guard let images = line["images"]?.double, let rate = line["images_per_second"]?.double, rate > 0 else {
                continue
            }
            sum += (images - before) / rate
            before = images
        }
        return sum
    }

    /// Losses over the images seen, in training and on held-out items.
    public func chart(title: String) -> LineChart {
        let names = [
            ("loss", "training (weighted)"), ("train_loss", "training items"),
            ("heldout_loss", "held-out items"),
        ]
        let series = names.compactMap { key, name -> LineChart.Series? in
            let points = lines.compactMap { line -> (x: Double, y: Double)? in
                guard let images = line["images"]?.double, let value = line[key]?.double else { return nil }
                return (images, value)
            }
            return points.isEmpty ? nil : LineChart.Series(name, points: points)
        }
        return LineChart(title: title, xLabel: "images seen", yLabel: "loss", series: series, yScale: .logarithmic)
    }
}
