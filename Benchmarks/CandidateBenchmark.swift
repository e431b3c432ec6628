import Diffusion
import DomainFusion
import DomainGeneralization
import Experiments
import Foundations
import Pixels
import Torch

/// Candidates of OLA by image to image with the embedded model: 64×64 pixels, batches of 16, strength 0.6, guidance 7.5, two
/// threads. Times are those of one candidate.
enum CandidateBenchmark {
    private static let batch = 16
    private static let styles = [
        "noto": "shaded colour", "emojione": "cartoon", "openmoji": "outlined flat",
        "symbola": "black and white ink",
    ]

    /// - Parameter arguments: `SAMPLER.STEPS` or `SAMPLER.STEPS.bfloat16`. With the folders of a run and of EmojiDG the candidates
    ///   are those of images of its four coloured and drawn domains, and the run's classifier tells how many show their class.
    static func run(_ arguments: [String]) throws -> [Measurement] {
        let parts = arguments.first?.split(separator: ".").map(String.init) ?? []
        guard parts.count >= 2, let sampler = SchedulerChoice(name: parts[0]), let steps = Int(parts[1]),
            [1, 3].contains(arguments.count), let folder = InstalledFiles.here.find(InstalledFiles.embeddedModel)
        else { throw UserError("usage: Benchmarks candidates SAMPLER.STEPS[.bfloat16] [RUN DATA]") }
        Machine.threads = 2
        let precision = ModelPrecision(rawValue: parts.last ?? "") ?? .float32
        let model = try LatentDiffusionModel(path: folder, dtype: precision.dtype(on: .cpu))
        let settings = GenerationSettings(
            steps: steps, guidanceScale: 7.5, strength: 0.6, scheduler: sampler.className)
        let generator = try ImageToImageGenerator(model, modelHash: "", settings: settings)
        let name = "candidates.\(arguments[0])"
        guard arguments.count == 3 else {
            let images = Tensor.rand([batch, 3, 64, 64], generator: Generator(seed: 0))
            let prompts = [String](repeating: "a cartoon emoji of a lion", count: batch)
            return [
                try measure(name, threads: 2, warmup: 2, repetitions: 5, calls: batch) {
                    _ = try generator.generate(images, prompts: prompts, seeds: (0..<batch).map(UInt64.init))
                }
            ]
        }
        return [try judged(name, generator, run: arguments[1], data: arguments[2])]
    }

    /// Candidates of the first eight images of each class and domain, in the style of the domain after its own.
    private static func judged(
        _ name: String, _ generator: ImageToImageGenerator, run: String, data: String
    ) throws -> Measurement {
        let judge = try TrainedModel(run: run, device: "cpu", threads: 2)
        let folder = try ImageFolder(data)
        let domains = folder.environments.indices.filter { styles[folder.environments[$0]] != nil }
        let sources = domains.flatMap { domain in
            folder.classes.indices.flatMap { label in
                folder.items.filter { $0.environment == domain && $0.label == label }.prefix(8)
            }
        }
        var samples = Samples()
        var recognised = 0
        for start in stride(from: 0, to: sources.count, by: batch) {
            let items = sources[start..<min(start + batch, sources.count)]
            let images = try items.map { try ImageFile.decode($0.path).resized(width: 64, height: 64).tensor() }
            let prompts = items.map { item in
                let next = domains[((domains.firstIndex(of: item.environment) ?? 0) + 1) % domains.count]
                let style = styles[folder.environments[next]] ?? ""
                let template = Caption.prompt("{a style} emoji of {a class}", style: style)
                return Caption.prompt(template, class: folder.classes[item.label])
            }
            var made = Tensor.zeros([0])
            try samples.add {
                made = try generator.generate(
                    .concatenated(images), prompts: prompts, seeds: items.indices.map(UInt64.init))
            }
            for (item, row) in zip(items, try judge.probabilities(made.rgbImages())) {
                let best = row.indices.max { row[$0] < row[$1] }
                recognised += best.map { judge.classes[$0] } == folder.classes[item.label] ? 1 : 0
            }
        }
        var found = samples.measurement(name, threads: 2, calls: batch)
        found.recognised = Double(recognised) / Double(sources.count)
        found.images = sources.count
        return found
    }
}
