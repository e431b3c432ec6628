import DomainFusion
import Foundations
import Pixels
import Torch

/// Paints noise by all that an order says, without a diffusion model.
final class Painter<Order: ImageOrder>: ImageGenerator {
    let fingerprint = "painter"
    let imageSize = 32
    let unetEvaluationsPerImage = 10
    let largestBatch = 64
    let vaePassesPerImage = 1
    /// The number of images in each call.
    private(set) var batches: [Int] = []

    func generate(_ orders: [Order]) throws -> Tensor {
        batches.append(orders.count)
        return .stacked(
            orders.map { order in
                let text = JSONValue.object(order.parts { SHA256Sum.of($0) }).text + "\(order.seed)"
                let seed = UInt64(SHA256Sum.of(text).prefix(13), radix: 16) ?? 0
                return Tensor.rand([3, imageSize, imageSize], generator: Generator(seed: seed))
            })
    }
}
