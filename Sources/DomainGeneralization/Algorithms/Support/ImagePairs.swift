import Torch

/// Which pairs of a step's images belong together; all [N, N], 1 where they do and 0 elsewhere.
struct ImagePairs {
    /// An image and another one.
    let others: Tensor
    /// An image and another one of its class.
    let sameClass: Tensor
    /// An image and itself or another one of its domain.
    let sameDomain: Tensor

    /// - Parameters:
    ///   - labels: int64 [N]; `domains` likewise.
    init(labels: Tensor, domains: Tensor) {
        func equal(_ values: Tensor) -> Tensor {
            values.unsqueezed(1).equal(values.unsqueezed(0)).to(dtype: .float32)
        }
        others = 1 - equal(.arange(to: Double(labels.count), device: labels.device))
        sameClass = equal(labels) * others
        sameDomain = equal(domains)
    }
}

extension Tensor {
    /// Rows [N, F] of length 1.
    var normalisedRows: Tensor { self / norm([1], keepDimensions: true).clamp(min: 1e-12) }
}
