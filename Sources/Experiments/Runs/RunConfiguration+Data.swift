import Diffusion
import DomainFusion
import DomainGeneralization
import Foundations

extension RunConfiguration {
    /// What of a data set a run trains on, and what it validates on.
    /// - Parameter held: indices of the held-out domains.
    func split(of dataset: ImageFolder, held: [Int]) -> Split {
        Split(
            dataset, trialSeed: seed, holdoutFraction: holdoutFraction, testEnvironments: held,
            adaptationFraction: adaptationFraction, isClassBalanced: classBalanced)
    }

    /// The data set with the images that were generated of it before training, where the settings name a folder of them: in the domains
    /// that they count to, or in environments of their own.
    /// - Parameter held: indices of the held-out domains.
    /// - Returns: also what was done for the images that are taken; nil without a folder.
    /// - Throws: a one-line error for a folder without generated images, or an image that cannot be read.
    func joiningGenerated(
        to dataset: ImageFolder, _ images: ImageCache, held: [Int], threads: Int, report: (RunEvent) -> Void
    ) throws -> (dataset: ImageFolder, images: ImageCache, work: PriorWork?) {
        guard !generated.folder.isEmpty else { return (dataset, images, nil) }
        let folder = try GeneratedImages(generated.folder)
        let split = split(of: dataset, held: held)
        let sources = dataset.environments.indices.filter { oracle || !held.contains($0) }
        let taken = try folder.images(
            of: dataset, training: sources.flatMap { split.training[$0] }, held: held.map { dataset.environments[$0] },
            includesHeldStyles: generated.heldStyles)
        // In the order of the plan, which is that of the pairs.
        var pairs: [[String]: Int] = [:]
        var added: [String] = []
        let items = taken.map { use in
            var environment = use.environment
            if generated.environments == .pairs {
                let pair = [use.image.domain, use.image.target]
                if pairs[pair] == nil { added.append(pair.joined(separator: "+")) }
                environment = pairs[pair, default: dataset.environments.count + added.count - 1]
                pairs[pair] = environment
            }
            return ImageFolder.Item(
                path: "\(folder.folder)/\(use.image.path)", label: use.label, environment: environment,
                name: FilePath.stem(of: use.image.path), isGenerated: true)
        }
        let joined = dataset.adding(items, environments: added)
        let more = try ImageCache(dataset.removing(Set(dataset.items.indices)).adding(items), threads: threads)
        if let failure = more.failures.first {
            throw UserError("\(failure.reason); generate the folder again, or restore it")
        }
        let place = added.isEmpty ? "" : ", in environments of their own: \(added.joined(separator: ", "))"
        report(.warning("\(folder.folder): trains on \(items.count) generated images beside its own\(place)"))
        return (joined, images.joined(with: more), folder.work(for: taken))
    }

    /// What was done before the run: for the generated images that it takes, and the fine-tuning of the model that it asks; nil for
    /// nothing.
    /// - Parameters:
    ///   - generated: the part of the images.
    ///   - held: indices of the held-out domains.
    /// - Throws: `UserError` for a model that has learned from a held-out domain, or a damaged record of its fine-tuning.
    func priorWork(_ generated: PriorWork? = nil, on dataset: ImageFolder, held: [Int]) throws -> PriorWork? {
        var work = generated ?? PriorWork()
        for settings in [algorithm.hyperparameters, .object(diffusion ?? [:])] {
            guard let name = settings["ldm"]?.string, !name.isEmpty, let record = try FineTuningRecord(model: name)
            else { continue }
            work.add(PriorWork(models: [.init(record)]))
        }
        if !oracle { try work.check(held: held.map { dataset.environments[$0] }, of: dataset.datasetName) }
        return work == PriorWork() ? nil : work
    }
}
