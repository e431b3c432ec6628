import DomainGeneralization
import Foundations
import Pixels
import Torch

/// Makes images in full batches, by a diffusion model; those that are in the store are not made again.
public struct ImageMaker<Order: ImageOrder> {
    /// What makes the images.
    public let generator: any ImageGenerator<Order>
    /// Where they are kept.
    public let store: ContentStore
    /// Images in one call of the generator, all of which it works on together.
    public let batchSize: Int

    /// A maker of no larger batches than the generator takes.
    public init(generator: any ImageGenerator<Order>, store: ContentStore, batchSize: Int) {
        self.generator = generator
        self.store = store
        self.batchSize = min(batchSize, generator.largestBatch)
    }

    /// The addresses of images in the store.
    public func keys(_ orders: [Order]) -> [StoreKey] {
        // Neighbours often begin with one image.
        var recent: [(image: RGBImage, hash: String)] = []
        func hash(_ image: RGBImage) -> String {
            if let found = recent.first(where: { $0.image == image }) { return found.hash }
            let sum = SHA256Sum.of(image)
            recent = [(image, sum)] + recent.prefix(1)
            return sum
        }
        return orders.map { order in
            let own: [String: JSONValue] = [
                "seed": .int(generator.drawsNoise ? Int(truncatingIfNeeded: order.seed) : 0),
                "generator": .string(generator.fingerprint), "batch": .int(batchSize),
            ]
            return StoreKey(.candidate, own.merging(order.parts(hash: hash)) { first, _ in first })
        }
    }

    /// The images: those in the store, and the others made and stored.
    /// - Parameters:
    ///   - ledger: counts the work that is done.
    ///   - poll: called between batches; what it throws ends the work, and what was done is kept in the store.
    /// - Throws: a one-line error of the generator or the store.
    public func images(
        _ orders: [Order], ledger: inout Ledger, poll: () throws -> Void = {}
    ) throws -> [RGBImage] {
        let keys = keys(orders)
        var found = keys.map { store.image(for: $0)?.image }
        for start in stride(from: 0, to: orders.count, by: batchSize) {
            let batch = start..<min(start + batchSize, orders.count)
            let missing = batch.filter { found[$0] == nil }
            guard !missing.isEmpty else { continue }
            try poll()
            let images = try made(orders[batch])
            for number in missing {
                found[number] = try store.put(images[number - start], for: keys[number], ledger: &ledger).image
            }
            ledger.generatedMade += missing.count
            ledger.unetEvaluations += batchSize * generator.unetEvaluationsPerImage
            ledger.vaePasses += batchSize * generator.vaePassesPerImage
        }
        return found.compactMap { $0 }
    }

    /// The images of one batch, which is always the same one: libtorch rounds differently for other sizes and, in large models, for
    /// other neighbours. So an image does not depend on what else was missing in the store.
    private func made(_ orders: ArraySlice<Order>) throws -> [RGBImage] {
        let own = Array(orders)
        let full = (0..<batchSize).map { own[min($0, own.count - 1)] }
        // A failure in libtorch is thrown here, before anything of it is stored.
        return try withTorchErrors {
            let images = try generator.generate(full)
            guard images.isFinite().all().item() != 0 else {
                throw UserError("the diffusion model gave numbers that are not finite; run it in float32")
            }
            return images[0..<own.count].rgbImages()
        }
    }
}
