import DomainFusion
import DomainGeneralization
import Pixels
import Torch

/// Restyles images without a diffusion model: colours exchanged by the seed, a stroke by the prompt, and some noise.
final class Restyler: CandidateGenerator {
    let fingerprint: String
    let imageSize = 32
    let unetEvaluationsPerImage = 24
    let largestBatch = 64
    let vaePassesPerImage = 2
    /// The number of images in each call.
    private(set) var batches: [Int] = []
    private(set) var prompts: Set<String> = []
    /// Gives numbers that are not finite.
    var isBroken = false

    init(_ fingerprint: String = "restyler") { self.fingerprint = fingerprint }

    func generate(_ images: Tensor, prompts: [String], seeds: [UInt64]) throws -> Tensor {
        batches.append(prompts.count)
        self.prompts.formUnion(prompts)
        let orders: [[Int64]] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
        let made = prompts.indices.map { index in
            let permuted = images[index].indexSelect(0, Tensor(orders[Int(seeds[index] % 6)]))
            let noise = Tensor.rand(permuted.shape, generator: Generator(seed: seeds[index]))
            return (permuted * 0.8 + noise * 0.2).clamp(min: 0, max: 1)
        }
        return isBroken ? Tensor.stacked(made) / 0 : .stacked(made)
    }
}

/// Sources of two domains and three classes, unevenly many: 27 pictures.
func someSources() -> [AugmentationSource] {
    let counts = [[8, 4, 2], [6, 6, 1]]
    return counts.indices.flatMap { domain in
        counts[domain].indices.flatMap { label in
            (0..<counts[domain][label]).map { number in
                AugmentationSource(
                    name: "d\(domain)/c\(label)/\(number).png", label: label,
                    className: ["lion", "apple", "hot_dog"][label],
                    environment: domain
                ) { picture(domain: domain, label: label, number: number) }
            }
        }
    }
}

/// A coloured bar on a light ground, 48×40 pixels.
func picture(domain: Int, label: Int, number: Int) -> RGBImage {
    var image = RGBImage(width: 48, height: 40, fill: domain == 0 ? .white : RGB(200, 220, 240))
    let colour = RGB(UInt8(40 + 70 * label), UInt8(20 * number), UInt8(200 - 80 * domain))
    for y in (4 + number)..<30 {
        for x in (8 + 6 * label)..<(20 + 6 * label) { image[x, y] = colour }
    }
    return image
}

/// Settings that are quick.
func someSettings(_ change: (inout AugmentationSettings) -> Void = { _ in }) -> AugmentationSettings {
    var settings = AugmentationSettings()
    settings.budget = 7
    settings.candidates = 3
    settings.batchSize = 4
    change(&settings)
    return settings
}

func someAugmentation(
    _ settings: AugmentationSettings, store: String, generator: Restyler = Restyler(), composer: Composer? = nil,
    judge: CandidateJudge? = nil
) throws -> OnlineAugmentation {
    try OnlineAugmentation(
        settings, sources: someSources(), generator: generator,
        composer: composer
            ?? Composer(
                FourierSpace(radius: settings.fourierRadius),
                includesSource: settings.contentPool == .candidatesAndSource),
        store: ContentStore(store), judge: judge)
}
