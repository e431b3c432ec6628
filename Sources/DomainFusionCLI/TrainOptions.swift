import ArgumentParser
import DomainGeneralization
import Experiments
import Foundation
import Foundations

/// The settings of a training run on the command line; whatever is not given comes from the file or the preset.
struct TrainOptions: ParsableArguments {
    @OptionGroup var settings: SettingOptions

    @Option(
        help: "The data set's folder: DIR/<domain>/<class>/<image>, or the name of one under data/.",
        completion: .directory)
    var data: String?

    @Option(
        name: .customLong("test-domain"), parsing: .singleValue,
        help: ArgumentHelp(
            "The domain to hold out. Several are named with commas, or, where a domain has a comma in its name, by repeating "
                + "the option. All but one (--test-domain a,b,c of a, b, c, d) is single-source domain generalization.",
            valueName: "domain"), completion: .domains)
    var testDomains: [String] = []

    @Option(
        help: "How to train; 'domainfusion info' lists the algorithms and their hyperparameters.",
        completion: .algorithms)
    var algorithm: String?

    @Option(help: "Seeds the split, the parameters and every draw.")
    var seed: Int?

    @Option(help: "The number of a random draw of hyperparameters, as DomainBed's --hparams_seed; 0 for the defaults.")
    var draw: Int?

    @Option(
        help: ArgumentHelp(
            "A finished run that holds out the same domains, such as an ERM run: its classifier judges the images that "
                + "the diffusion model makes, and those whose class it gives less than "
                + "algorithm.hyperparameters.augmentation.judgeThreshold (0.5) are dropped.",
            valueName: "run"), completion: .directory)
    var olaJudge: String?

    @Flag(help: "Train on the held-out domain, too: an upper bound for comparison.")
    var oracle = false

    /// The whole configuration.
    /// - Throws: ``UserError`` for an unknown setting or an impossible value.
    func configuration() throws -> RunConfiguration {
        var result = try settings.configuration(
            data: data, testDomains: testDomains.isEmpty ? nil : testDomains, algorithm: algorithm, seed: seed,
            draw: draw)
        if settings.ldm != nil, result.algorithm.hyperparameters["ldm"] == nil, result.diffusion == nil {
            throw UserError(
                "--ldm: \(result.algorithm.name) takes no diffusion model; add what does (--term ld, --images ola), or choose "
                    + "another algorithm ('domainfusion info' says which do)")
        }
        if oracle { result.oracle = true }
        if let olaJudge { try result.judge(by: olaJudge) }
        return result
    }
}

extension RunConfiguration {
    /// Has the candidates of online augmentation judged by a run's classifier, at a threshold of 0.5 where none is set.
    fileprivate mutating func judge(by run: String) throws {
        let given = algorithm.hyperparameters["augmentation"]?["judgeThreshold"]?.double ?? 0
        let judge: [String: JSONValue] = ["judge": .string(run), "judgeThreshold": .double(given > 0 ? given : 0.5)]
        var augmentation = algorithm.hyperparameters["augmentation"]?.object ?? [:]
        augmentation.merge(judge) { $1 }
        self = try changed(
            by: .object([
                "algorithm": .object(["hyperparameters": .object(["augmentation": .object(augmentation)])])
            ]), source: "--ola-judge")
    }
}

extension Augmentation: ExpressibleByArgument {}
