import ArgumentParser
import Backbones
import DomainFusion
import DomainGeneralization
import Experiments
import Foundation
import Foundations
import Torch

struct InfoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info",
        abstract: "Show what is there: libtorch, devices, data sets, pretrained weights, algorithms.",
        discussion: "Example: domainfusion info --data-dir ~/datasets")

    @Option(help: "The folder in which data sets are looked for.")
    var dataDir = "data"

    func run() async throws {
        guard dataDir == "data" || Files.exists(dataDir) else {
            throw UserError("\(dataDir): no such folder; give the one that holds the data sets' folders")
        }
        print("domainfusion \(toolkitVersion), libtorch \(Machine.libtorchVersion)")
        let devices = [("cuda", Device.count(.cuda)), ("mps", Device.count(.mps))].filter { $0.1 > 0 }
        print("devices: cpu\(devices.map { ", \($0.1) \($0.0)" }.joined()); default \(Device.best)")
        print("threads: \(Machine.threads) of \(ProcessInfo.processInfo.activeProcessorCount) processors")

        print("data sets in \(dataDir):")
        let found = KnownDataset.found(in: dataDir)
        for dataset in found { print("  \(dataset)") }
        if found.isEmpty { print("  none; make one with: domainfusion data prepare emoji") }

        print("pretrained weights:")
        for backbone in Backbones.all {
            print("  \(backbone.name): \(backbone.installedWeights() ?? "none")")
        }

        print("settings of a run (--set NAME=VALUE, or in a file for --config):")
        RunConfiguration.described().forEach(show)

        print("algorithms (--set algorithm.hyperparameters.NAME=VALUE):")
        for algorithm in AlgorithmRegistry.all.algorithms {
            print("  \(algorithm.name): \(algorithm.abstract)")
            if let paper = algorithm.paper { print("    \(paper)") }
            algorithm.settings.forEach(show)
        }

        print("terms that any algorithm takes (--term NAME, --set terms.NAME.SETTING=VALUE):")
        for term in Additions.terms {
            print("  \(term.name): \(term.abstract)")
            term.settings.forEach(show)
        }
        print("images that any algorithm trains on (--images NAME, --set images.NAME.SETTING=VALUE):")
        for images in Additions.images {
            print("  \(images.name): \(images.abstract)")
            images.settings.forEach(show)
        }
        print("the diffusion model of terms and images (--set diffusion.SETTING=VALUE):")
        DiffusionModelSettings.described().forEach(show)
    }

    private func show(_ setting: SettingDescription) {
        guard let value = setting.value else { return print("    \(setting.name): \(setting.help)") }
        print("    \(setting.name) = \(value.text)  (\(setting.help))")
    }
}
