import ArgumentParser
import Diffusion
import DomainFusion
import DomainGeneralization
import Experiments
import Foundations
import Torch

/// How test images are moved towards the source domains, by which models.
struct TranslationOptions: ParsableArguments {
    /// What tables call the methods, and their folders.
    enum Method: String {
        case shiftInversion = "DSI"
        case edit = "edit"
    }

    @Flag(help: "Move test images towards each source domain by its diffusion model (DSI, CVPR 2023).")
    var shiftInversion = false

    @Flag(help: "Edit test images into each source domain's style by one diffusion model (arXiv 2512.13454).")
    var edit = false

    @Option(
        name: .customLong("source-ldm"), parsing: .singleValue,
        help: ArgumentHelp(
            "The diffusion model of a source domain, fine-tuned on it; may be repeated. --ldm is that of the others.",
            valueName: "domain=model"))
    var sourceModels: [String] = []

    @OptionGroup var model: LDMOption

    @Option(
        name: .customLong("style"), parsing: .singleValue,
        help: ArgumentHelp(
            "Words for the style of a source domain, for --edit; may be repeated. By default as 'generate' has them.",
            valueName: "domain=words"))
    var styles: [String] = []

    @Option(
        help: "What a translation shows, with {style} or {domain}; by default {style} of --edit and nothing of DSI.")
    var prompt: String?

    @Option(help: "Levels of noise that are tried in turn, with commas; 0 is the image as it is.")
    var noise = Self.list(TranslationSettings().noise)

    @Option(
        help:
            "Largest probability above which a prediction is accepted; of several with commas the best on the sources' validation."
    )
    var threshold = Self.list(TranslationSettings().thresholds)

    @Option(help: "Classifier-free guidance; 1 is none. By default 1 of DSI and 7.5 of --edit.")
    var guidance: Double?

    @Option(help: "Denoising steps from pure noise.")
    var steps = TranslationSettings().steps

    @Option(help: "The sampler: \(SchedulerChoice.names).")
    var scheduler = TranslationSettings().scheduler

    @Option(help: "Images in one call of the diffusion model.")
    var batchSize = TranslationSettings().batchSize

    @Option(help: "Seeds the noise.")
    var seed = TranslationSettings().seed

    @OptionGroup var storing: StoreOption

    @Option(help: "The folder of the translated evaluation; by default RUN-dsi or RUN-edit.")
    var record: String?

    private static func list(_ values: [Double]) -> String { values.map { "\($0)" }.joined(separator: ",") }

    func validate() throws {
        guard !(shiftInversion && edit) else { throw ValidationError("--shift-inversion and --edit: choose one") }
        let isAsked =
            !sourceModels.isEmpty || model.ldm != nil || !styles.isEmpty || prompt != nil || guidance != nil
            || record != nil
        guard method != nil || !isAsked else {
            throw ValidationError("options of a translation go with --shift-inversion or --edit")
        }
    }

    /// The method; nil for an evaluation without translation.
    var method: Method? { shiftInversion ? .shiftInversion : edit ? .edit : nil }

    /// The flag of the method.
    var flag: String { edit ? "--edit" : "--shift-inversion" }

    /// The folder of the evaluation.
    func folder(of run: String) -> String {
        let path = run.count > 1 && run.hasSuffix("/") ? String(run.dropLast()) : run
        return record ?? "\(path)-\(edit ? "edit" : "dsi")"
    }

    private static func numbers(_ option: String, _ text: String) throws -> [Double] {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { Double(String($0).trimmingCharacters(in: .whitespaces)) }
        guard numbers.count == parts.count else {
            throw ValidationError("\(option): '\(text)' is no list of numbers with commas, as 0,0.2,0.4")
        }
        return numbers
    }

    private func settings() throws -> TranslationSettings {
        var settings = edit ? TranslationSettings.edit : TranslationSettings()
        if edit, EmbeddedModel.isNamed(by: model.name) { settings.prompt = "{a style} emoji" }
        settings.prompt = prompt ?? settings.prompt
        settings.guidanceScale = guidance ?? settings.guidanceScale
        settings.noise = try Self.numbers("--noise", noise)
        settings.thresholds = try Self.numbers("--threshold", threshold)
        settings.steps = steps
        settings.scheduler = scheduler
        settings.batchSize = batchSize
        settings.seed = seed
        return settings
    }

    /// The evaluation of a run.
    /// - Throws: a one-line error for a run, a model or an option that cannot be used.
    func evaluation(
        of run: String, averaged: Bool, device: String, threads: Int
    ) throws -> TranslatedEvaluation {
        Machine.threads = threads
        let own = try DomainValues.parse("--source-ldm", sourceModels, example: "FOLDER")
        let configuration = try RunDirectory(existing: run).configuration()
        let words = DomainWords.styles(of: KnownDataset.named(configuration.data)?.name ?? "")
            .merging(try DomainValues.parse("--style", styles)) { $1 }
        let shared = edit ? model.name : model.ldm
        let placed = try Device(parsing: device)
        let model = model
        return try TranslatedEvaluation(
            run: run, name: method?.rawValue ?? "", settings: settings(), averaged: averaged, styles: words,
            store: ContentStore(storing.store ?? configuration.store), device: device, threads: threads
        ) { domains in
            try SourceModels(domains: domains, own: own, shared: shared) { name in
                name == shared
                    ? try model.load(device: placed)
                    : try ModelDownload.load(name, vae: model.ldmVae, device: placed, precision: model.ldmDtype)
            }
        }
    }
}
