import ArgumentParser
import DomainFusion
import DomainGeneralization
import Experiments
import Foundation
import Foundations
import Hub
import Torch

struct GenerateImagesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "images",
        abstract: "Generate a folder of images (what 'generate' does without a subcommand).",
        discussion: """
            cdga-pg  every image in the style of every domain, asked for by words (arXiv 2312.05387)
            cdga-ig  every image led to every domain by one of its images of the same class, whose latent is mixed in
            fds      images of every class between the prompts of two domains, of noise alone (arXiv 2407.03588); the model \
            should be fine-tuned on the source domains: 'ldm finetune --domains … --prompt "{domain}, {class}"'
            shift    every image moved towards every domain by that domain's own model (--source-ldm), as DSI moves test \
            images; models of 'ldm finetune --domain … --prompt ""'

            The store keeps what was made for augmentation during training, too.

            --launcher local shares the work between --jobs processes on this machine (on GPUs each has its own); slurm writes \
            a job array, kubernetes an Indexed Job of so many tasks. They take the next images that nobody has, and those of \
            a task that dies are taken over.

            Examples:
              domainfusion generate --data data/PACS --ldm SD --output generated/pacs
              domainfusion generate --data data/Birds --ldm SD --style photo="a photograph" --style print=woodcut \\
                --prompt "{style} of {a class}" --output generated/birds
              domainfusion generate --data data/PACS --ldm SD --output generated/pacs --launcher slurm --jobs 16 --gpus 1
            """)

    @Option(help: "The data set's folder, or the name of one under data/.", completion: .directory)
    var data: String

    @Option(name: .shortAndLong, help: "The folder of the generated images.", completion: .directory)
    var output: String

    @Option(help: "cdga-pg, cdga-ig, fds or shift.")
    var method = GenerationMethod.cdgaPG

    @OptionGroup var model: LDMOption

    @Option(
        name: .customLong("source-ldm"), parsing: .singleValue,
        help: ArgumentHelp(
            "Of shift the diffusion model of a domain, fine-tuned on it; may be repeated. --ldm is that of the others.",
            valueName: "domain=model"))
    var sourceModels: [String] = []

    @Option(
        name: [.customLong("domains"), .customLong("domain")], parsing: .singleValue,
        help: ArgumentHelp(
            "Domains to make images of and in, with commas or by repeating the option; all by default, which serves runs with any "
                + "held-out domain.", valueName: "domains"), completion: .domains)
    var domains: [String] = []

    @Option(
        name: .customLong("style"), parsing: .singleValue,
        help: ArgumentHelp(
            "Words for the style of a domain; may be repeated. By default the paper's for PACS, OfficeHome and DomainNet, and the "
                + "vendors' for EmojiDG.", valueName: "domain=words"))
    var styles: [String] = []

    @Option(
        help: ArgumentHelp(
            "What an image is asked for: {class} or {a class}, {style} or {a style}, of fds {domain} or {a domain}; of shift nothing. By default "
                + "\"\(GenerationMethod.cdgaPG.prompt(isEmbedded: false))\", "
                + "\"\(GenerationMethod.cdgaIG.prompt(isEmbedded: false))\" or "
                + "\"\(GenerationMethod.fds.prompt(isEmbedded: false))\"; other words for the embedded model."))
    var prompt: String?

    @Option(
        help: ArgumentHelp(
            "Images for each source image and domain (\(CrossDomainSettings().copies) by default), of fds for each class and pair "
                + "of domains (\(DomainPairSettings().copies))."))
    var copies: Int?

    @Option(
        help: ArgumentHelp(
            "Makes this share of the images alone, drawn by the seed; a larger share has those of a smaller one.",
            valueName: "0…1"))
    var share = 1.0

    @Option(
        help: ArgumentHelp(
            "Share of the noise that an image starts from: 0 leaves it, 1 forgets it (\(CrossDomainSettings().strength) by default); "
                + "not of fds."))
    var strength: Double?

    @Option(
        help: ArgumentHelp(
            "Classifier-free guidance; 1 is none (\(CrossDomainSettings().guidanceScale) by default, 1 of shift). Of fds two "
                + "bounds (4,6 by default).", valueName: "number|low,high"))
    var guidance: NumberRange?

    @Option(
        help: ArgumentHelp(
            "Of cdga-ig the guide's share (\(ImageGuidedPlan.defaultWeight) by default), of fds bounds of the first domain's "
                + "(0.3,0.7 by default).", valueName: "number|low,high"))
    var weight: NumberRange?

    @Option(help: "Side of the images in pixels; by default the one that the model was trained on.")
    var resolution: Int?

    @Option(help: "Denoising steps from pure noise.")
    var steps = CrossDomainSettings().steps

    @Option(help: "Images in one call of the diffusion model.")
    var batchSize = CrossDomainSettings().batchSize

    @Option(help: "Seeds the noise and all draws.")
    var seed = CrossDomainSettings().seed

    @Option(help: "local, slurm or kubernetes.")
    var launcher = Launcher.local

    @Option(help: "Processes that share the work.")
    var jobs = 1

    @OptionGroup var cluster: ClusterOptions

    @OptionGroup var storing: StoreOption

    @OptionGroup var placement: DeviceOption

    @OptionGroup var threading: ThreadsOption

    enum Launcher: String, CaseIterable, ExpressibleByArgument {
        case local, slurm, kubernetes
    }

    func validate() throws {
        try check("--resolution", resolution, in: 1...8192)
        try check("--jobs", jobs, in: 1...10_000)
        if method == .fds, strength != nil { throw ValidationError("--strength: fds begins with noise alone") }
        if method != .shift, !sourceModels.isEmpty { throw ValidationError("--source-ldm goes with --method shift") }
        if method == .cdgaPG || method == .shift, weight != nil {
            throw ValidationError("--weight goes with --method cdga-ig or fds")
        }
        for (option, range) in [("--guidance", guidance), ("--weight", weight)] where method != .fds {
            guard let range, range.number == nil else { continue }
            throw ValidationError("\(option): two bounds go with --method fds; give one number")
        }
    }

    func run() async throws {
        if launcher != .local || jobs > 1 { return try runJobs() }
        Machine.threads = threading.count
        let dataset = try ImageFolder(KnownDataset.locate(data))
        let chosen = DomainNames.list(domains, known: dataset.environments)
        switch method {
        case .cdgaPG:
            try generateByOne(CrossDomainPlan(crossDomainSettings(dataset), dataset: dataset, domains: chosen))
        case .cdgaIG:
            try generateByOne(
                ImageGuidedPlan(
                    crossDomainSettings(dataset), weight: weight?.number ?? ImageGuidedPlan.defaultWeight,
                    dataset: dataset, domains: chosen))
        case .fds:
            try generateByOne(DomainPairPlan(domainPairSettings(dataset), dataset: dataset, domains: chosen))
        case .shift:
            try generateByDomain(
                ShiftInversionPlan(crossDomainSettings(dataset), dataset: dataset, domains: chosen))
        }
    }

    /// This command by several processes.
    private func runJobs() throws {
        let own = Self.words(
            CommandLine.arguments.dropFirst(), without: ["launcher", "jobs", "container", "claim", "gpus"])
        guard launcher != .local else {
            Interruption.watch()
            let status = try ProcessTeam(SweepCommand.program, own, size: jobs).run { printError("error: \($0)") }
            if status != 0 { throw ExitCode(status) }
            return
        }
        // Once, and here: a task's machine may have no network.
        try ModelDownload.fetchIfMissing(model.name, precision: model.ldmDtype)
        let threads = threading.threads ?? 4
        let tasks = JobTasks(
            command: own + (threading.threads == nil ? ["--threads", "\(threads)"] : []), count: jobs, folder: output)
        print(
            launcher == .slurm
                ? try cluster.slurm(tasks, jobs: jobs, threads: threads)
                : try cluster.kubernetes(tasks, jobs: jobs, threads: threads))
    }

    /// Words of a command line without some options, which have a value each.
    private static func words(_ all: some Sequence<String>, without options: [String]) -> [String] {
        var result: [String] = []
        var isValue = false
        for word in all {
            if isValue {
                isValue = false
            } else if options.contains(where: { word == "--\($0)" }) {
                isValue = true
            } else if !options.contains(where: { word.hasPrefix("--\($0)=") }) {
                result.append(word)
            }
        }
        return result
    }

    /// By one model for all images.
    private func generateByOne(_ plan: some GenerationPlan) throws {
        let plan = try PlanShare(plan, share: share, seed: seed)
        let model = try model.load(device: placement.found(), imageSize: resolution)
        let taught = try model.fineTuning.map { [PriorWork.Model($0)] } ?? []
        try generate(
            plan,
            GenerationMakers(
                plan.maker(model, hash: model.fingerprint(), store: ContentStore(storing.folder)),
                prior: PriorWork(models: taught)))
    }

    /// By a model for each domain.
    private func generateByDomain(_ plan: ShiftInversionPlan) throws {
        let (shared, device, store) = (model.ldm, try placement.found(), ContentStore(storing.folder))
        let models = try SourceModels(
            domains: plan.domains,
            own: DomainValues.parse("--source-ldm", sourceModels, example: "FOLDER"), shared: shared
        ) {
            try ModelDownload.load(
                $0, vae: model.ldmVae, device: device, precision: model.ldmDtype, imageSize: resolution)
        }
        try generate(
            PlanShare(plan, share: share, seed: seed),
            GenerationMakers(domains: plan.domains, prior: models.prior) { domain in
                let (model, hash) = try models.model(of: domain)
                return try plan.maker(model, hash: hash, store: store)
            })
    }

    private func generate<Plan: GenerationPlan>(_ plan: Plan, _ makers: GenerationMakers<Plan.Order>) throws {
        Interruption.watch()
        let generation = try OfflineGeneration(plan, makers: makers, folder: output)
        let progress = Progress("generate", unit: "images")
        let ledger = try resumable(output, progress) {
            try generation.run { now in
                let whole = now.done == 0 ? 0 : Double(now.bytes) * Double(now.total) / Double(now.done)
                progress.show(
                    now.done, of: now.total,
                    note: "\(ByteCount(now.bytes)) of about \(ByteCount(Int(clamping: whole)))")
            }
        }
        try generation.sheet(rows: 8).write(to: "\(output)/sheet.png")
        let seconds = ledger.seconds.values.reduce(0, +)
        guard try TrainingProcesses().speaks else { return }
        print(
            "\(plainText(output)): \(plan.count) images, \(ledger.generatedMade) of them made now or before, the others from "
                + "\(plainText(storing.folder)); \(ledger.unetEvaluations) U-Net evaluations, "
                + "\(Progress.duration(seconds)) of all processes together; sheet.png shows some")
    }

    private func crossDomainSettings(_ dataset: ImageFolder) throws -> CrossDomainSettings {
        var settings = CrossDomainSettings()
        settings.styles = try words(dataset)
        settings.prompt = prompt ?? method.prompt(isEmbedded: EmbeddedModel.isNamed(by: model.name))
        settings.copies = copies ?? settings.copies
        settings.strength = strength ?? settings.strength
        settings.guidanceScale = guidance?.number ?? (method == .shift ? 1 : settings.guidanceScale)
        (settings.steps, settings.batchSize, settings.seed) = (steps, batchSize, seed)
        return settings
    }

    private func domainPairSettings(_ dataset: ImageFolder) throws -> DomainPairSettings {
        var settings = DomainPairSettings()
        settings.styles = try words(dataset)
        settings.prompt = prompt ?? method.prompt(isEmbedded: EmbeddedModel.isNamed(by: model.name))
        settings.copies = copies ?? settings.copies
        if let weight { (settings.lowestWeight, settings.highestWeight) = (weight.low, weight.high) }
        if let guidance { (settings.lowestGuidance, settings.highestGuidance) = (guidance.low, guidance.high) }
        (settings.steps, settings.batchSize, settings.seed) = (steps, batchSize, seed)
        return settings
    }

    /// The words for the styles of the data set's domains.
    private func words(_ dataset: ImageFolder) throws -> [String: String] {
        var result = DomainWords.styles(of: dataset.datasetName)
        for (domain, words) in try DomainValues.parse("--style", styles) {
            _ = try dataset.environment(named: domain)
            result[domain] = words
        }
        return result.filter { dataset.environments.contains($0.key) }
    }
}
