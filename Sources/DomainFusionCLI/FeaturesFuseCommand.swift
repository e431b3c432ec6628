import ArgumentParser
import DomainFusion
import DomainGeneralization
import Experiments
import Foundation
import Foundations
import Torch

struct FeaturesFuseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fuse", abstract: "What the features add to finished runs at prediction, without training.",
        discussion: """
            Fits a linear classifier to the features of a run's training images and gives it a say in the run's predictions: \
            log p + λ·log p_u, at each λ. Controls tell what a gain is due to: shuffled (features of other images), random-unet, \
            vae-latent, backbone:NAME (an ImageNet network). Runs that 'domainfusion train --features ldm' trains predict so.

            The JSON file is written after every run; the same command goes on with the runs that are missing in it.

              domainfusion features fuse runs/sweep/* --control none --control backbone:tf_efficientnet_lite0
            """)

    @Argument(help: "Folders of finished runs without features.", completion: .directory)
    var runs: [String]

    @OptionGroup var model: LDMOption

    @Option(help: "The U-Net's block: down0 …, mid, up0 … .")
    var block = LatentFeatureSettings().block

    @Option(help: "Time steps, separated by commas.")
    var times = LatentFeatureSettings().times.map(String.init).joined(separator: ",")

    @Option(
        name: .customLong("control"), parsing: .singleValue,
        help: "none for the features themselves, or \(LatentFeatureControl.forms); may be repeated.")
    var controls = ["none"]

    @Option(
        help: ArgumentHelp(
            "An ImageNet network whose frozen features have a say beside those of each control, at the same λ: several experts.",
            valueName: "name"), completion: .backbones)
    var backbone = ""

    @Option(name: .customLong("weights"), help: "Weights λ, separated by commas.")
    var weightList = "0.25,0.5,1,2"

    @Option(help: "Factor of half the squared coefficients in the classifiers' fit.")
    var penalty = LatentFeatureSettings().penalty

    @OptionGroup var storing: StoreOption

    @OptionGroup var threading: ThreadsOption

    @Option(help: "The JSON file to write.", completion: .file(extensions: ["json"]))
    var output = "fusion.json"

    func run() async throws {
        try OutputFile.check(output, ending: ".json")
        Machine.threads = threading.count
        let weights = weightList.split(separator: ",").compactMap { Double($0.trimmingCharacters(in: .whitespaces)) }
        guard !weights.isEmpty, weights.count == weightList.split(separator: ",").count,
            weights.allSatisfy({ $0 > 0 && $0.isFinite })
        else {
            throw ValidationError("--weights: \(weightList) is not a list of numbers above 0 separated by commas")
        }
        let ldm = try model.load()
        let store = ContentStore(storing.folder)
        let sources = try controls.map { control in
            var settings = LatentFeatureSettings()
            settings.block = block
            settings.times = try FeaturesCommand.times(times)
            settings.control = control
            settings.penalty = penalty
            settings.backbone = backbone
            try settings.validate(path: "features")
            return (
                name: (control == "none" ? block : control) + (backbone.isEmpty ? "" : " and \(backbone)"),
                features: try LatentFeatures(settings, model: ldm, store: store) as any FrozenFeatures
            )
        }
        var fusion = FeatureFusion(weights: weights, penalty: penalty)
        if let data = Files.contents(output) {
            guard let found = try? JSONValue(json: data)?.decoded(as: FeatureFusion.self),
                found.weights == fusion.weights,
                found.penalty == penalty
            else { throw UserError("\(output): holds something else, or other weights; write to another --output") }
            fusion = found
        }
        Interruption.watch()
        let progress = Progress("runs", unit: "runs")
        var tables = FusionTables()
        for (done, run) in runs.enumerated() {
            try Interruption.poll()
            progress.show(done, of: runs.count)
            guard sources.contains(where: { !fusion.has(run, $0.name) }) else { continue }
            try fusion.add(run, sources, tables: &tables, threads: threading.count)
            try AtomicFile.write(JSONValue(encoding: fusion).text + "\n", to: output)
        }
        progress.clear()
        printText(fusion.text())
    }
}
