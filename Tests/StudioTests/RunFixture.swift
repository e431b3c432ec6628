import Foundation
import Foundations
import TestSupport

@testable import Studio

/// Folders of runs as `train` leaves them, with what the list reads of them.
enum RunFixture {
    static func configuration(
        variant: String = "''", algorithm: String = "ERM", data: String = "data/EmojiDG", held: String = "unifont",
        steps: Int = 300
    ) -> String {
        """
        adaptationFraction: 0
        algorithm:
          hyperparameters:
            name: other
          name: \(algorithm)
        augmentation: domainbed
        backbone:
          name: tf_efficientnet_lite0
          weights: auto
        data: \(data)
        steps: \(steps)
        testDomains: [\(held)]
        variant: \(variant)

        """
    }

    static func summary(algorithm: String = "ERM", validation: Double = 0.75, accuracy: Double = 0.25) -> String {
        let result = """
            {"step": 200, "sourceValidation": \(validation), "targets": {"unifont": {"accuracy": \(accuracy)}}}
            """
        return """
            {"algorithm": "\(algorithm)", "data": "data/EmojiDG", "testDomains": ["unifont"], "oracle": false, "seed": 0,
            "steps": 300, "selected": \(result), "last": \(result.replacing("200", with: "300")), "totals": {}}
            """
    }

    static func row(step: Int, held: Int = 2) -> String {
        """
        {"step": \(step), "loss": 0.5, "env0_in_acc": 0.9, "env0_out_acc": 0.6, "env1_out_acc": 0.8, "env2_in_acc": 0.3, \
        "env2_out_acc": 0.1, "args": {"test_envs": [\(held)], "domains": ["a", "b", "unifont"]}}

        """
    }

    static func done(_ folder: TemporaryFolder, _ name: String, variant: String = "''") throws {
        try folder.write(configuration(variant: variant), to: "\(name)/config.yaml")
        try folder.write(summary(), to: "\(name)/summary.json")
        try folder.write(row(step: 300), to: "\(name)/results.jsonl")
        try folder.write("done", to: "\(name)/done")
    }

    /// Sets the time of modification, in seconds since 1970.
    static func touch(_ path: String, _ seconds: Int) {
        var times = [timeval(tv_sec: seconds, tv_usec: 0), timeval(tv_sec: seconds, tv_usec: 0)]
        utimes(path, &times)
    }
}
