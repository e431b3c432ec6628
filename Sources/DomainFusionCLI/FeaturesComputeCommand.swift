import ArgumentParser
import DomainFusion
import DomainGeneralization
import Experiments
import Foundation
import Foundations
import Pixels
import Torch

struct FeaturesComputeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compute", abstract: "Work out the features of a data set's images and keep them in the store.",
        discussion: """
            A run with --features ldm does this by itself, for what is missing. Several of these commands on one store, on one \
            machine or many, share the work: each asks about other images than the rest.

              domainfusion features compute --data data/EmojiDG --store /shared/store
            """)

    @Option(help: "The data set's folder, or the name of one under data/.", completion: .directory)
    var data: String

    @OptionGroup var model: LDMOption

    @Option(help: "The U-Net's block: down0 …, mid, up0 … .")
    var block = LatentFeatureSettings().block

    @Option(help: "Time steps, separated by commas.")
    var times = LatentFeatureSettings().times.map(String.init).joined(separator: ",")

    @OptionGroup var storing: StoreOption

    @OptionGroup var placement: DeviceOption

    @OptionGroup var threading: ThreadsOption

    func run() async throws {
        Machine.threads = threading.count
        var settings = LatentFeatureSettings()
        settings.block = block
        settings.times = try FeaturesCommand.times(times)
        try settings.validate(path: "features")
        let dataset = try ImageFolder(KnownDataset.locate(data))
        let ldm = try model.load(device: placement.found())
        let features = try LatentFeatures(settings, model: ldm, store: ContentStore(storing.folder))
        Interruption.watch()
        let progress = Progress("features", unit: "images")
        let start = ContinuousClock.now
        for (done, item) in dataset.items.shuffled().enumerated() {
            _ = try features.features(of: [try ImageFile.decode(item.path)])
            progress.show(done + 1, of: dataset.items.count)
        }
        progress.clear()
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        print(
            "\(plainText(storing.folder)): features of \(dataset.items.count) images, \(features.options.width) numbers each, "
                + String(format: "%.1f s, %.1f ms an image", seconds, 1000 * seconds / Double(dataset.items.count)))
    }
}
