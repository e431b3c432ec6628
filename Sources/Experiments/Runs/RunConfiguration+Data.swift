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

    /// The data set with the images that were generated of it before training, where the settings name a folder of them: each joins the
    /// domain of the image that it was made of, and is trained on where that one is.
    /// - Parameter held: indices of the held-out domains.
    /// - Throws: a one-line error for a folder without generated images, or an image that cannot be read.
    func joiningGenerated(
        to dataset: ImageFolder, _ images: ImageCache, held: [Int], threads: Int, report: (RunEvent) -> Void
    ) throws -> (ImageFolder, ImageCache) {
        guard !generated.folder.isEmpty else { return (dataset, images) }
        let folder = try GeneratedImages(generated.folder)
        let split = split(of: dataset, held: held)
        let sources = dataset.environments.indices.filter { oracle || !held.contains($0) }
        let taken = try folder.images(
            of: dataset, training: sources.flatMap { split.training[$0] }, held: held.map { dataset.environments[$0] },
            includesHeldStyles: generated.heldStyles)
        let items = taken.map { image, item in
            let source = dataset.items[item]
            return ImageFolder.Item(
                path: "\(folder.folder)/\(image.path)", label: source.label, environment: source.environment,
                name: source.name, isGenerated: true)
        }
        let joined = dataset.adding(items)
        let more = try ImageCache(dataset.removing(Set(dataset.items.indices)).adding(items), threads: threads)
        if let failure = more.failures.first {
            throw UserError("\(failure.reason); generate the folder again, or restore it")
        }
        report(.warning("\(folder.folder): trains on \(items.count) generated images beside its own"))
        return (joined, images.joined(with: more))
    }
}
