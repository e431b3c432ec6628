import Foundation

/// How much more often a method finds an image's class than another one, in fractions of 1: paired by image and seed.
///
/// The interval is for other images of the domain and for other trainings. d(image, seed), the difference in being right, is taken as
/// gain + effect of the image + effect of the seed (of two trainings, that is) + rest, a crossed two-way model with random
/// effects. With mean squares MS of n images, S seeds and the rest, the variance of the mean is
/// (MS_images + MS_seeds − MS_rest) / (n·S), and at least MS_images / (n·S); the interval is Student's t with Satterthwaite's
/// degrees of freedom (Searle, Casella and McCulloch, *Variance Components*, 1992). One seed tells nothing of other
/// trainings: its interval is for other images alone.
public struct PairedGain: Codable, Sendable, Equatable {
    /// The gain, in fractions of 1; above 0 where the method is better.
    public let value: Double
    /// Half the 95 % interval.
    public let margin: Double
    /// The standard error of the gain.
    public let standardError: Double
    /// Degrees of freedom of the interval's Student distribution.
    public let degreesOfFreedom: Double
    /// Images and seeds that both have.
    public let images: Int
    /// Number of seeds that both have.
    public let seeds: Int

    /// - Parameter pairs: for each seed, whether the class of each image was found: by the method and by the other.
    /// - Returns: nil with fewer than two images that all have.
    init?(_ pairs: [(method: [String: Bool], other: [String: Bool])]) {
        guard let first = pairs.first else { return nil }
        // In a fixed order, so that the same runs give the same last digit.
        let names = first.method.keys.sorted().filter { name in
            pairs.allSatisfy { $0.method[name] != nil && $0.other[name] != nil }
        }
        guard names.count > 1 else { return nil }
        let differences = pairs.map { pair in
            names.map { (pair.method[$0] == true ? 1.0 : 0) - (pair.other[$0] == true ? 1.0 : 0) }
        }
        let (n, s) = (Double(names.count), Double(pairs.count))
        let bySeed = differences.map { $0.reduce(0, +) / n }
        let byImage = names.indices.map { image in differences.reduce(0) { $0 + $1[image] } / s }
        let mean = bySeed.reduce(0, +) / s
        func squares(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 } }

        let ofImages = squares(byImage.map { $0 - mean }) / (n - 1) / n
        var (variance, freedom) = (ofImages, n - 1)
        if pairs.count > 1 {
            let ofSeeds = squares(bySeed.map { $0 - mean }) / (s - 1) / s
            let rest = zip(differences, bySeed).map { row, seed in
                squares(zip(row, byImage).map { $0 - $1 - seed + mean })
            }
            let ofRest = rest.reduce(0, +) / ((n - 1) * (s - 1)) / (n * s)
            if ofSeeds > ofRest {
                variance = ofImages + ofSeeds - ofRest
                let spread = squares([ofImages]) / (n - 1) + squares([ofSeeds]) / (s - 1)
                freedom = variance * variance / (spread + squares([ofRest]) / ((n - 1) * (s - 1)))
            }
        }
        self.init(value: mean, variance: variance, freedom: freedom, images: names.count, seeds: pairs.count)
    }

    /// The mean of several domains' gains, as those of different images and trainings; nil where one has none.
    init?(meanOf gains: [PairedGain?]) {
        let found = gains.compactMap { $0 }
        guard found.count == gains.count, let seeds = found.map(\.seeds).min() else { return nil }
        let count = Double(found.count)
        let variances = found.map { $0.standardError * $0.standardError }
        let sum = variances.reduce(0, +)
        let spread = zip(variances, found).reduce(0) { $0 + $1.0 * $1.0 / $1.1.degreesOfFreedom }
        self.init(
            value: found.reduce(0) { $0 + $1.value } / count, variance: sum / (count * count),
            freedom: spread > 0 ? sum * sum / spread : found.reduce(0) { $0 + $1.degreesOfFreedom },
            images: found.reduce(0) { $0 + $1.images }, seeds: seeds)
    }

    private init(value: Double, variance: Double, freedom: Double, images: Int, seeds: Int) {
        self.value = value
        standardError = variance.squareRoot()
        degreesOfFreedom = max(1, freedom)
        margin = standardError * StudentT.quantile95(freedom: degreesOfFreedom)
        self.images = images
        self.seeds = seeds
    }
}
