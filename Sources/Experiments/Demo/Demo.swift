import Diffusion
import DomainFusion
import DomainGeneralization
import EmojiDG
import Foundation
import Foundations
import Pixels
import Torch

/// ERM and DomainFusion side by side on EmojiDG, one domain held out: what `make demo` runs.
public struct Demo: Sendable {
    /// The folder of both runs, the summary and the gallery.
    public var folder = "runs/demo"
    /// The folder of EmojiDG; prepared where it is missing.
    public var data = "data/EmojiDG"
    /// The folder of the packages that EmojiDG is drawn from.
    public var packages = InstalledFiles.packages
    /// The domain that is held out.
    public var target = "unifont"
    /// The seed of both runs.
    public var seed = 0
    /// Training steps of each run.
    public var steps = 600
    /// The latent diffusion model's folder.
    public var ldm = EmbeddedModel.folder
    /// The folder of another autoencoder for it; empty is its own.
    public var ldmVAE = ""
    /// The precision of the latent diffusion model.
    public var ldmDtype = ModelPrecision.float32
    /// The folder of results of diffusion models.
    public var store = "store"

    /// The demo as `make demo` runs it.
    public init() {}

    /// What the comparison found; `summary.json`.
    public struct Summary: Codable, Sendable {
        /// The domain that was held out.
        public let target: String
        /// The seeds of the runs.
        public let seeds: [Int]
        /// Training steps of each run.
        public let steps: Int
        /// What became of each method, by the name of its folder.
        public let runs: [String: Run]
    }

    /// One method's part of it.
    public struct Run: Codable, Sendable {
        /// Accuracy on the source domains' validation images, in fractions of 1.
        public let sourceValidation: Double?
        /// Accuracy on the held-out domain, in fractions of 1.
        public let unseenDomain: Double?
        /// Accuracy on the held-out domain's unseen items, in fractions of 1.
        public let unseenItems: Double?
        /// Images that the LDM made for this run, anew and from the store.
        public let imagesGenerated: Int
        /// Seconds of training and of what is made before it.
        public let seconds: Double
        /// Shares of the training time and of what is made before it: `classifier`, `distillation` and `generation` in the
        /// steps, `curves` before them.
        public let timeShares: [String: Double]
    }

    /// DomainFusion's settings in `Evidence/embedded/methods.yaml`, but for LD's curves, which take a sixth of the time: they are
    /// of 8 nodes and 2 draws.
    public var settings: DomainFusionAlgorithm.Settings {
        var settings = DomainFusionAlgorithm.Settings()
        settings.ldm = ldm
        settings.ldmVAE = ldmVAE
        settings.ldmDtype = ldmDtype
        settings.distillation.prompt = "{a style} emoji of {a class}"
        settings.distillation.weight = 10
        settings.distillation.guidanceScale = 7.5
        settings.distillation.nodes = 8
        settings.distillation.draws = 2
        settings.posterior.prompt = EmbeddedModel.prompt
        settings.augmentation.budget = 400
        settings.augmentation.redraw = true
        settings.augmentation.candidates = 3
        settings.augmentation.everyEpochs = 12
        settings.augmentation.start = .raw
        settings.augmentation.strength = 0.7
        settings.augmentation.steps = 8
        settings.augmentation.guidanceScale = 7.5
        settings.augmentation.contentPool = .candidatesAndSource
        settings.augmentation.composition = .fourier
        settings.augmentation.prompts = ["{a style} emoji of {a class}"]
        settings.styles = Dictionary(
            uniqueKeysWithValues: Vendor.benchmark.filter { $0.rawValue != target }.map { ($0.rawValue, $0.style) })
        return settings
    }

    /// Settings of the two runs, by the name of their folder.
    func configurations() throws -> [(name: String, configuration: RunConfiguration)] {
        var plain = RunConfiguration(preset: .small)
        plain.data = data
        plain.testDomains = [target]
        plain.seed = seed
        plain.steps = steps
        plain.store = store
        var fusion = plain
        fusion.algorithm = .init(name: DomainFusionAlgorithm.name)
        fusion.algorithm.hyperparameters = try JSONValue(encoding: settings)
        return [("erm", plain), ("domainfusion", fusion)]
    }

    /// The name of the page that tells of both runs.
    public static let page = "report.html"

    /// Prepares the data where it is missing, trains both, and writes the summary, the gallery and the page.
    /// - Parameter report: the name of the run and what happens in it.
    /// - Throws: a one-line error; a killed demo goes on with the same call.
    public func run(threads: Int, report: @escaping @Sendable (String, RunEvent) -> Void) async throws -> Summary {
        let root = FilePath.folder(of: data)
        _ = try await EmojiDG.prepare(
            into: root, packages: .standard(packages: InstalledFiles.here.locate(packages)))
        var runs: [String: Run] = [:]
        var context: AlgorithmContext?
        for (name, configuration) in try configurations() {
            let training = try TrainingRun(
                configuration, folder: "\(folder)/\(name)", registry: .all, threads: threads
            ) { report(name, $0) }
            runs[name] = Run(try training.run(), target: target)
            context = training.context
        }
        if let context { try writeGallery(context) }
        let summary = Summary(target: target, seeds: [seed], steps: steps, runs: runs)
        let text = try JSONValue(encoding: summary).text + "\n"
        try AtomicFile.write(text, to: "\(folder)/summary.json")
        try writePage(threads: threads)
        return summary
    }

    /// All about both runs: `report.html`.
    private func writePage(threads: Int) throws {
        let folders = try configurations().map { "\(folder)/\($0.name)" }
        let page = try ReportPage(folders: folders, baseline: "ERM", maps: folders, threads: threads) { _ in }
        try page.write(to: "\(folder)/\(Self.page)")
    }

    /// Source, candidates, chosen style and content, composed: `gallery.png`, from what the store holds.
    private func writeGallery(_ context: AlgorithmContext) throws {
        let augmentation = try OnlineAugmentation(
            settings.augmentation, styles: settings.styles,
            model: LatentDiffusionModel(
                path: ldm, vaeFolder: ldmVAE.isEmpty ? nil : ldmVAE, device: context.device,
                dtype: ldmDtype.dtype(on: context.device)), context: context, store: ContentStore(store))
        var ledger = Ledger()
        try augmentation.gallery(10, ledger: &ledger).write(to: "\(folder)/gallery.png")
    }
}

extension Demo.Run {
    init(_ summary: RunSummary, target: String) {
        let result = summary.selected.targets[target]
        let seconds = summary.totals.filter { $0.key.hasSuffix("_seconds") }
        let distillation = seconds["ld_seconds"] ?? 0
        let generation = seconds["generation_seconds"] ?? 0
        let curves = seconds["curves_seconds"] ?? 0
        let training = seconds["training_seconds"] ?? 0
        let all = max(training + curves, 1e-9)
        self.init(
            sourceValidation: summary.selected.sourceValidation, unseenDomain: result?.accuracy,
            unseenItems: result?.unseenItems, imagesGenerated: Int(clamping: summary.totals["images_generated"] ?? 0),
            seconds: training + curves + (seconds["loading_seconds"] ?? 0) + (seconds["evaluation_seconds"] ?? 0),
            timeShares: [
                "classifier": (training - distillation - generation) / all, "distillation": distillation / all,
                "generation": generation / all, "curves": curves / all,
            ])
    }
}
