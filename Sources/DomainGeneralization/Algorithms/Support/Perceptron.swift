import Torch

/// Linear layers one after the other: discriminators of features, and heads of several layers. Keys: `0.weight`, `0.bias`, ….
struct Perceptron {
    private let layers: [Linear]

    /// Makes or loads a layer from each width to the next: `[512, 256, 3]` are two.
    init(_ scope: Scope, widths: [Int]) {
        layers = zip(widths, widths.dropFirst()).enumerated().map { Linear(scope / $0, in: $1.0, out: $1.1) }
    }

    /// [N, first width] → [N, last width].
    /// - Parameter hidden: what comes between two layers.
    func callAsFunction(_ x: Tensor, hidden: (Tensor) -> Tensor = { $0.relu() }) -> Tensor {
        layers.dropFirst().reduce(layers[0](x)) { $1(hidden($0)) }
    }
}
