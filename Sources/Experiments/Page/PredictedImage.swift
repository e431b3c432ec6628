import DomainGeneralization
import Foundation
import Foundations

/// What a finished run said of an image: a line of its `predictions.jsonl`.
struct PredictedImage {
    /// The image's path in the data set.
    let image: String
    let domain: String
    /// Whether it shows what was in no domain's training.
    let isUnseen: Bool
    let label: String
    let predicted: String
    /// Cross-entropy of the label.
    let loss: Double
    /// The probability of the predicted class; nil in runs of version 0.2.0.
    let confidence: Double?

    var isRight: Bool { label == predicted }

    /// The lines of a run.
    /// - Throws: `UserError` for a file that is missing or damaged.
    static func all(run folder: String) throws -> [PredictedImage] {
        let file = "\(folder)/predictions.jsonl"
        try RunSeal.check("predictions.jsonl", in: folder)
        let failure = UserError("\(file): missing or unreadable; train this run again with --restart")
        guard let lines = Files.contents(file)?.split(separator: UInt8(ascii: "\n")) else { throw failure }
        return try lines.map { line in
            guard let value = JSONValue(json: line), let image = value["image"]?.string,
                let domain = value["domain"]?.string, case .bool(let isUnseen)? = value["unseen"],
                let label = value["class"]?.string, let predicted = value["predicted"]?.string
            else { throw failure }
            return PredictedImage(
                image: image, domain: domain, isUnseen: isUnseen, label: label, predicted: predicted,
                loss: value["loss"]?.double ?? 0, confidence: value["confidence"]?.double)
        }
    }
}
