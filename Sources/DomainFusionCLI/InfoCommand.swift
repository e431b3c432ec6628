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
        abstract: "Show what is there: libtorch, devices, models, data sets, pretrained weights, algorithms.",
        discussion: """
            What the program brings along (Models/, and data/ with weights, CLIP's vocabulary, packages and data sets) is looked \
            for in the working directory, and then in DOMAINFUSION_HOME where that is set; else in the checkout that the \
            program was built in or the share/domainfusion that it was installed with, in domainfusion in XDG_DATA_HOME \
            (~/.local/share), and in domainfusion in the folders of XDG_DATA_DIRS (/usr/local/share, /usr/share).

            --self-test computes layers, backbones with their gradients, the optimiser and the parts of a diffusion model on a \
            device, and compares them with the CPU in double precision, in a few seconds. Where a difference is too large, the status is 1.

            Examples:
              domainfusion info --data-dir ~/datasets
              domainfusion info --self-test --device cuda
            """)

    @Option(help: "The folder in which data sets are looked for.", completion: .directory)
    var dataDir = "data"

    @Flag(help: "Tests whether --device computes what it should.")
    var selfTest = false

    @OptionGroup var placement: DeviceOption

    func validate() throws {
        if placement.device != nil, !selfTest { throw ValidationError("--device goes with --self-test") }
    }

    func run() async throws {
        if selfTest { return try runSelfTest() }
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
        print("features that any classifier takes beside its own (--features NAME, --set features.NAME.SETTING=VALUE):")
        for features in Additions.features {
            print("  \(features.name): \(features.abstract)")
            features.settings.forEach(show)
        }
        print("the diffusion model of terms, images and features (--set diffusion.SETTING=VALUE):")
        DiffusionModelSettings.described().forEach(show)
    }

    private func runSelfTest() throws {
        let device = try placement.found()
        print("domainfusion \(toolkitVersion), libtorch \(Machine.libtorchVersion), \(device) against cpu in float64")
        let header = ["part", "precision", "difference", "allowed", ""]
        func line(_ cells: [String]) -> String {
            zip(cells, [44, 10, 12, 10, 0]).map { cell, width in
                cell + String(repeating: " ", count: max(0, width - cell.count))
            }.joined(separator: " ")
        }
        print(line(header))
        let findings = try SelfTest(device).run { finding in
            let figures = [finding.difference, finding.limit].map { String(format: "%.1e", $0) }
            print(line([finding.part, "\(finding.dtype)"] + figures + [finding.holds ? "ok" : "TOO LARGE"]))
        }
        let wrong = findings.filter { !$0.holds }
        guard wrong.isEmpty else {
            throw UserError(
                "\(wrong.count) of \(findings.count) results on \(device) are not what they should be; report the table with the "
                    + "device's and the driver's version, and train on another device")
        }
        print("all \(findings.count) hold")
    }

    private func show(_ setting: SettingDescription) {
        guard let value = setting.value else { return print("    \(setting.name): \(setting.help)") }
        print("    \(setting.name) = \(value.text)  (\(setting.help))")
    }
}
