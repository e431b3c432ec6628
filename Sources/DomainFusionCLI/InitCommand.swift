import ArgumentParser
import DomainGeneralization
import Experiments
import Foundation
import Foundations

struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Look at a data set and write first settings for it, with reasons.",
        discussion: """
            Chooses the domain to hold out, the images' size and the steps, trains a few steps to tell what a training takes here, \
            and writes a YAML file for 'domainfusion train --config', in which every value may be changed.

            Examples:
              domainfusion init photos
              domainfusion init photos --test-domain sketch --minutes 20 --output photos.yaml
              domainfusion train --config photos.yaml
            """)

    @Argument(
        help: "The data set's folder: DIR/<domain>/<class>/<image>, or the name of one under data/.",
        completion: .directory)
    var data: String

    @Option(
        name: .customLong("test-domain"), parsing: .singleValue,
        help: ArgumentHelp(
            "The domain to hold out, or several; by default the one with the fewest images.", valueName: "domain"),
        completion: .domains)
    var testDomains: [String] = []

    @Option(help: "How long a training may take, in minutes: decides on the images' size and the steps.")
    var minutes = 60

    @Option(name: .shortAndLong, help: "The file to write.", completion: .file(extensions: ["yaml", "yml"]))
    var output = "domainfusion.yaml"

    @OptionGroup var placement: DeviceOption

    @OptionGroup var threading: ThreadsOption

    @Flag(help: "Leave out images that cannot be read instead of stopping.")
    var skipCorrupt = false

    func validate() throws {
        try check("--minutes", minutes, in: 1...100_000)
    }

    func run() async throws {
        try refuseOverwriting()
        try OutputFile.check(output)
        Interruption.watch()
        let loading = Progress("reading images", unit: "images")
        let training = Progress("trying a step", unit: "steps")
        let starter = try StarterConfiguration(
            folder: data, testDomains: testDomains, minutes: minutes, device: placement.name, skipCorrupt: skipCorrupt,
            threads: threading.count
        ) { event in
            switch event {
            case .loading(let done, let total): loading.show(done, of: total)
            case .warning(let text): loading.print("warning: \(text)")
            case .step(let done, let total, _):
                loading.clear()
                training.show(done, of: total)
            default: break
            }
        }
        training.clear()
        try refuseOverwriting()
        try AtomicFile.write(starter.text(path: output), to: output)
        let settings = starter.configuration
        print(
            "\(output): holds out \(settings.testDomains.joined(separator: ", ")), \(settings.imageSize) pixels, "
                + "\(settings.steps) steps")
        print("takes some \(starter.estimate)")
        print("next: domainfusion train --config \(shellQuoted(output))")
    }

    private func refuseOverwriting() throws {
        guard !Files.exists(output) else {
            throw UserError("\(output): is there already; remove it, or choose another name with --output")
        }
    }
}
