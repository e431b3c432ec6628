import Foundation
import Torch

/// Chebyshev nodes of the second kind on [0, 1], both ends among them, with barycentric interpolation
/// (Berrut & Trefethen 2004): exact for polynomials of a degree below the number of nodes, and stable.
public struct ChebyshevGrid: Sendable {
    /// The nodes in (0, 1), in ascending order.
    public let nodes: [Double]
    private let weights: [Double]

    /// The grid of so many nodes.
    /// - Precondition: `count` is at least 2.
    public init(_ count: Int) {
        precondition(count >= 2, "interpolation needs two nodes")
        nodes = (0..<count).map { (1 - cos(.pi * Double($0) / Double(count - 1))) / 2 }
        weights = (0..<count).map { index in
            (index % 2 == 0 ? 1 : -1) * (index == 0 || index == count - 1 ? 0.5 : 1)
        }
    }

    /// Weights of the nodes' values at each point: [N] → [N, nodes], each row of sum 1.
    public func weights(at points: Tensor) -> Tensor {
        // On the CPU: not every device has float64.
        let x = Tensor(nodes).unsqueezed(0)
        let difference = points.detached().to(device: .cpu).to(dtype: .float64).unsqueezed(1) - x
        // On a node the quotient is 0/0: a distance too small to matter stands in for zero.
        let tiny = difference.onesLike() * 1e-12
        let safe = tiny.where(difference.abs().less(than: 1e-12), else: difference)
        let quotients = Tensor(weights).unsqueezed(0) / safe
        return (quotients / quotients.sum([1], keepDimensions: true)).to(dtype: points.dtype).to(device: points.device)
    }

    /// Values of N functions, given at the nodes [N, nodes], at one point each [N].
    public func interpolate(_ values: Tensor, at points: Tensor) -> Tensor {
        (values * weights(at: points)).sum([1])
    }
}
