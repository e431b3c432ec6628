import DomainGeneralization
import Foundation
import Foundations

extension StarterConfiguration {
    /// What a run takes, in a line.
    public var estimate: String {
        "\(Self.time(cost.seconds(of: configuration))) and \(Self.memory(cost.memory)) of memory on this machine "
            + "(\(threads) threads, device \(configuration.device))"
    }

    /// The file for `train --config`: the settings that were chosen, with reasons; all others are the preset's.
    /// - Parameter path: what the file is called.
    public func text(path: String) -> String {
        let sections: [(comment: [String], settings: [(String, JSONValue)])] = [
            (head(path: path), []),
            (
                [
                    "\(dataset.items.count) images of \(dataset.classes.count) classes in "
                        + "\(dataset.environments.count) domains. Look at them: domainfusion data sheet DIR --output sheet.png"
                ], [("data", .string(configuration.data))]
            ),
            (heldOut, [("testDomains", JSONValue(configuration.testDomains))]),
            (
                [
                    "Where all settings that are not in this file come from; 'domainfusion help train' lists the presets, and a run's",
                    "config.yaml has every setting.",
                ], [("preset", .string(configuration.preset))]
            ),
            (
                [
                    "ERM trains on all source domains at once, and is what others must beat. 'domainfusion info' lists those;",
                    "DomainFusion takes a diffusion model besides (--ldm).",
                ], [("algorithm", ["name": .string(configuration.algorithm.name)])]
            ),
            (
                weights,
                [
                    (
                        "backbone",
                        [
                            "name": .string(configuration.backbone.name),
                            "weights": .string(configuration.backbone.weights),
                        ]
                    )
                ]
            ),
            (size, [("imageSize", .int(configuration.imageSize))]),
            (
                [
                    "Images of each source domain in a step, and the steps: those of the largest source domain are shown "
                        + "\(shown) times.", "Too few where 'source domains, validation' still rises at the last step.",
                ],
                [
                    ("batchSize", .int(configuration.batchSize)), ("steps", .int(configuration.steps)),
                    ("evaluateEvery", .int(configuration.evaluateEvery)), ("saveEvery", .int(configuration.saveEvery)),
                ]
            ),
            (
                [
                    "Another seed is another split and other draws. Results differ between seeds: compare methods over some",
                    "(domainfusion sweep --trials 3).",
                ], [("seed", .int(configuration.seed))]
            ),
            (["auto is a GPU where there is one."], [("device", .string(configuration.device))]),
            (
                configuration.skipCorrupt ? ["Images that cannot be read are left out."] : [],
                configuration.skipCorrupt ? [("skipCorrupt", true)] : []
            ),
        ]
        return sections.filter { !$0.comment.isEmpty }.map { section in
            section.comment.map { "# \(plainText($0))\n" }.joined()
                + section.settings.map { YAML.text(.object([$0.0: $0.1])) }.joined()
        }.joined(separator: "\n")
    }

    private func head(path: String) -> [String] {
        [
            "First settings for \(dataset.name), by 'domainfusion init'. Every value may be changed. Train with:",
            "  domainfusion train --config \(shellQuoted(path))", "",
            String(
                format: "%d steps were timed here: %.2g to %.2g s each; an evaluation takes some %.2g s.", cost.steps,
                cost.step.lowerBound, cost.step.upperBound, cost.evaluation),
            "The training takes some \(estimate).",
        ]
    }

    private var heldOut: [String] {
        let counts = zip(dataset.environments, dataset.counts).map { "\($0) (\($1.reduce(0, +)) images)" }
        let reason =
            isHeldOutGiven
            ? []
            : [
                "Chosen for the fewest images among those with the most classes; better, name the one most like your later images."
            ]
        return [
            "Held out: not trained on, and tells how good the classifier is on a domain that it has never seen."
        ] + reason + ["Domains: \(counts.joined(separator: ", "))"]
    }

    private var weights: [String] {
        configuration.backbone.weights == "none"
            ? [
                "No ImageNet weights are installed (scripts/bootstrap fetches some), so the network begins with random ones: it will",
                "be far worse. Then: weights: auto",
            ] : ["The network, with its ImageNet weights that are installed. 'domainfusion info' lists others."]
    }

    private var size: [String] {
        let reason =
            shorterSide <= configuration.imageSize
            ? "larger ones show nothing more"
            : "larger ones would take longer than was asked for, or than the weights are made for"
        return [
            "Side of the square that images are brought to, in pixels. Theirs are \(shorterSide) in the middle (the shorter side):",
            "\(reason). Time and memory grow with its square.",
        ]
    }

    private var shown: Int { configuration.steps * configuration.batchSize / max(1, largestSource) }

    /// "2 to 3 minutes"
    static func time(_ seconds: ClosedRange<Double>) -> String {
        let (unit, length) =
            seconds.upperBound < 120 ? ("seconds", 1.0) : seconds.upperBound < 7200 ? ("minutes", 60) : ("hours", 3600)
        return range(seconds, unit: length, name: unit)
    }

    /// "0.8 to 1.1 GB"
    static func memory(_ bytes: ClosedRange<Double>) -> String { range(bytes, unit: 1e9, name: "GB") }

    /// Two digits of each bound, so rounded that the range holds both.
    private static func range(_ values: ClosedRange<Double>, unit: Double, name: String) -> String {
        func rounded(_ value: Double, _ rule: FloatingPointRoundingRule) -> String {
            let digits = value < 10 ? 10.0 : 1
            return String(format: value < 10 ? "%.1f" : "%.0f", (value * digits).rounded(rule) / digits)
        }
        let low = rounded(values.lowerBound / unit, .down)
        let high = rounded(values.upperBound / unit, .up)
        return "\(low) to \(high) \(name)"
    }
}
