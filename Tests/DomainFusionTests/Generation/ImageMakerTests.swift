import Foundations
import Pixels
import TestSupport
import Testing
import Torch

@testable import DomainFusion

/// Paints an image by its seed, and a shade brighter by its place in the batch and by its neighbours: as a large model, in which
/// libtorch rounds differently there.
private final class PlacePainter: CandidateGenerator {
    let fingerprint = "place"
    let imageSize = 4
    let unetEvaluationsPerImage = 1
    let largestBatch = 64
    let vaePassesPerImage = 1
    private(set) var calls = 0

    func generate(_ images: Tensor, prompts: [String], seeds: [UInt64]) throws -> Tensor {
        calls += 1
        let neighbours = Double(seeds.reduce(0, ^) % 8)
        return .stacked(
            seeds.enumerated().map { place, seed in
                Tensor.full([3, 4, 4], (Double(seed) * 20 + Double(place) + neighbours) / 255)
            })
    }
}

struct ImageMakerTests {
    private let folder: TemporaryFolder
    private let orders = (0..<11).map {
        CandidateOrder(image: RGBImage(width: 4, height: 4), prompt: "a cat", seed: UInt64($0))
    }

    init() throws { folder = try TemporaryFolder() }

    /// Whatever was made before, an image is made in its own batch.
    @Test(arguments: [[0, 1, 2, 3], [1, 5, 10], [0, 2, 4, 6, 8, 10], [4, 5, 6, 7]])
    func imagesDoNotDependOnWhatIsThere(_ present: [Int]) throws {
        var ledger = Ledger()
        let whole = CandidateMaker(generator: PlacePainter(), store: ContentStore(folder.path("whole")), batchSize: 4)
        let wanted = try whole.images(orders, ledger: &ledger)
        #expect(Set(wanted.map { $0.pixels[0] }).count == 11)

        let generator = PlacePainter()
        let maker = CandidateMaker(generator: generator, store: ContentStore(folder.path("parts")), batchSize: 4)
        let keys = maker.keys(orders)
        for number in present { _ = try maker.store.put(wanted[number], for: keys[number], ledger: &ledger) }
        var own = Ledger()
        #expect(try maker.images(orders, ledger: &own) == wanted)
        #expect(own.generatedMade == 11 - present.count)
        let missing = orders.indices.filter { !present.contains($0) }
        #expect(generator.calls == Set(missing.map { $0 / 4 }).count)
    }
}
