import ArgumentParser
import Backbones
import DomainGeneralization
import Experiments
import Foundation
import Foundations
import Torch

struct InfoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info",
        abstract: "Show what is there: libtorch, devices, models, data sets, pretrained weights, algorithms.",
        discussion: """
            What the program brings along (Models/, and data/ with weights, CLIP's vocabulary, packages and data sets) is looked \
            for in the working directory, and then in DOMAINFUSION_HOME where that is set; else in the checkout that the \
            program was built in or the share/domainfusion that it was installed with, in domainfusion in XDG_DATA_HOME \
            (~/.local/share), and in domainfusion in the folders of XDG_DATA_DIRS (/usr/local/share, /usr/share).

            Example: domainfusion info --data-dir ~/datasets
            """)

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

        let installed = InstalledFiles.here
        print("files are looked for here, then in: \(installed.homes.joined(separator: ", "))")
        for (what, name) in [
            ("embedded diffusion model", InstalledFiles.embeddedModel),
            ("CLIP's vocabulary", InstalledFiles.vocabulary),
            ("packages to draw EmojiDG from", InstalledFiles.packages),
        ] { print("\(what): \(installed.find(name) ?? "none (\(name)); run scripts/bootstrap in a checkout")") }

        print("data sets in \(dataDir):")
        let found = KnownDataset.found(in: dataDir)
        for dataset in found { print("  \(dataset)") }
        if found.isEmpty { print("  none; make one with: domainfusion data prepare emoji") }
        for home in dataDir == "data" ? installed.homes : [] {
            for dataset in KnownDataset.found(in: "\(home)/data")
            where Files.realPath(dataset) != Files.realPath("data/\(FilePath.name(of: dataset))") {
                print("  \(dataset)")
            }
        }

        print("pretrained weights:")
        for backbone in Backbones.all {
            print("  \(backbone.name): \(backbone.installedWeights() ?? "none")")
        }

        print("algorithms:")
        for algorithm in AlgorithmRegistry.all.algorithms {
            print("  \(algorithm.name): \(algorithm.abstract)")
            for (name, value) in (algorithm.defaults.object ?? [:]).sorted(by: { $0.key < $1.key }) {
                print("    \(name) = \(value.text)\(algorithm.help[name].map { "  (\($0))" } ?? "")")
            }
        }
    }
}
