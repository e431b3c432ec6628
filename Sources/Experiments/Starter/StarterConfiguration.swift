import Backbones
import DomainGeneralization
import Foundation
import Foundations
import Pixels

/// First settings for a data set that nobody has trained on yet: what to hold out, the images' size, the steps, with what they take
/// on this machine. Its text is a file for `train --config` that says why.
public struct StarterConfiguration: Sendable {
    /// The settings that were chosen, among the preset's.
    public let configuration: RunConfiguration
    /// What they were measured to take.
    public let cost: TrainingCost
    /// The data set.
    let dataset: ImageFolder
    /// The shorter side of the images in the middle, in pixels.
    let shorterSide: Int
    /// Images of the largest source domain that are trained on.
    let largestSource: Int
    /// Threads that it was measured with.
    let threads: Int
    /// Whether the user named what is held out.
    let isHeldOutGiven: Bool

    /// Sides of images that come into question, in pixels; the first is the preset's.
    static let sizes = [64, 96, 128, 160, 192, 224]
    /// How often each image of the largest source domain is shown, where the time allows it.
    private static let epochs = 10
    /// The bounds of the number of steps.
    private static let steps = 300...5000

    /// Looks at the images and trains a few steps.
    /// - Parameters:
    ///   - folder: the data set's folder or name.
    ///   - testDomains: what is held out; empty for a choice.
    ///   - minutes: how long a training may take, at least 1.
    ///   - device: as in a run's settings.
    /// - Throws: `Interruption` after a signal; a one-line error for a folder that cannot be trained on.
    public init(
        folder: String, testDomains: [String], minutes: Int, device: String, skipCorrupt: Bool, threads: Int,
        report: @escaping @Sendable (RunEvent) -> Void
    ) throws {
        try self.init(
            folder: folder, testDomains: testDomains, minutes: minutes, device: device, skipCorrupt: skipCorrupt,
            threads: threads
        ) { try TrainingCost(of: $0, registry: .all, threads: threads, report: report) }
    }

    /// - Parameter measure: tells what a training with some settings takes.
    init(
        folder: String, testDomains: [String] = [], minutes: Int = 60, device: String = "cpu",
        skipCorrupt: Bool = false,
        threads: Int = 1, measure: (RunConfiguration) throws -> TrainingCost
    ) throws {
        let path = Files.realPath(KnownDataset.locate(folder))
        dataset = try ImageFolder(path)
        self.threads = threads
        isHeldOutGiven = !testDomains.isEmpty
        var settings = RunConfiguration(preset: .small, dataset: path)
        settings.data = path
        settings.device = device
        settings.skipCorrupt = skipCorrupt
        settings.testDomains =
            testDomains.isEmpty ? [Self.choice(dataset)] : DomainNames.list(testDomains, known: dataset.environments)
        let held = try settings.openedData().heldOut
        if try Backbones.named(settings.backbone.name).installedWeights() == nil { settings.backbone.weights = "none" }
        let parts = settings.split(of: dataset, held: held).training
        let sources = dataset.environments.indices.filter { !held.contains($0) }.map { parts[$0].count }
        largestSource = sources.max() ?? 0
        settings.batchSize = max(1, min(settings.batchSize, sources.min() ?? 0))
        let side = try Self.shorterSide(dataset, skipCorrupt: skipCorrupt)
        shorterSide = side
        settings.setSteps(
            Self.steps.clamping((Self.epochs * largestSource / settings.batchSize + 99) / 100 * 100))

        settings.imageSize = Self.sizes[0]
        var cost = try measure(settings)
        func fits(_ cost: TrainingCost) -> Bool { cost.seconds(of: settings).upperBound <= Double(minutes) * 60 }
        while settings.steps > Self.steps.lowerBound, !fits(cost) {
            settings.setSteps(Self.steps.clamping(settings.steps / 2 / 100 * 100))
        }
        let size = Self.sizes.last { size in
            size <= side && fits(cost.scaled(from: Self.sizes[0], to: size))
        }
        // From small to large, so that the peak of memory is that of the settings.
        if let size, size != settings.imageSize {
            settings.imageSize = size
            cost = try measure(settings)
        }
        (configuration, self.cost) = (settings, cost)
    }

    /// The domain that costs the sources the fewest images, among those that have the most classes.
    static func choice(_ dataset: ImageFolder) -> String {
        let counts = dataset.counts
        func classes(_ environment: Int) -> Int { counts[environment].count { $0 > 0 } }
        let most = dataset.environments.indices.map(classes).max() ?? 0
        let whole = dataset.environments.indices.filter { classes($0) == most }
        let chosen = whole.min { counts[$0].reduce(0, +) < counts[$1].reduce(0, +) } ?? 0
        return dataset.environments[chosen]
    }

    /// The middle one of the shorter sides of some images, in pixels.
    private static func shorterSide(_ dataset: ImageFolder, skipCorrupt: Bool) throws -> Int {
        let count = min(64, dataset.items.count)
        let sides = try (0..<count).compactMap { number -> Int? in
            let item = dataset.items[(2 * number + 1) * dataset.items.count / (2 * count)]
            do {
                let image = try ImageFile.decode(item.path)
                return min(image.width, image.height)
            } catch {
                guard skipCorrupt else {
                    throw UserError("\(error); or leave out what cannot be read with --skip-corrupt")
                }
                return nil
            }
        }.sorted()
        return sides.isEmpty ? sizes[0] : sides[sides.count / 2]
    }
}

extension RunConfiguration {
    /// Evaluates and saves ten times at most, at round numbers of steps.
    fileprivate mutating func setSteps(_ count: Int) {
        steps = count
        evaluateEvery = max(100, count / 1000 * 100)
        saveEvery = evaluateEvery
    }
}

extension ClosedRange {
    /// The value in the range that is nearest to one.
    fileprivate func clamping(_ value: Bound) -> Bound { Swift.min(Swift.max(value, lowerBound), upperBound) }
}
