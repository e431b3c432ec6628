import Torch

/// Pre-activation residual block of two 3×3 convolutions, with the time step's embedding added between them
/// (diffusers' `ResnetBlock2D`, `time_embedding_norm="default"`).
struct ResnetBlock2D {
    private let norm1, norm2: GroupNorm
    private let conv1, conv2: Conv2d
    private let timeProjection: Linear?
    private let shortcut: Conv2d?

    init(_ scope: Scope, in inputs: Int, out outputs: Int, timeWidth: Int?, groups: Int, epsilon: Double) {
        norm1 = GroupNorm(scope / "norm1", groups: groups, channels: inputs, epsilon: epsilon)
        conv1 = Conv2d(scope / "conv1", in: inputs, out: outputs, kernel: 3, padding: 1)
        timeProjection = timeWidth.map { Linear(scope / "time_emb_proj", in: $0, out: outputs) }
        norm2 = GroupNorm(scope / "norm2", groups: groups, channels: outputs, epsilon: epsilon)
        conv2 = Conv2d(scope / "conv2", in: outputs, out: outputs, kernel: 3, padding: 1)
        shortcut = inputs == outputs ? nil : Conv2d(scope / "conv_shortcut", in: inputs, out: outputs, kernel: 1)
    }

    /// - Parameter time: SiLU of the time embedding [N, timeWidth]: the same for all blocks, so computed once.
    func callAsFunction(_ x: Tensor, time: Tensor? = nil) -> Tensor {
        var hidden = conv1(norm1(x, silu: true))
        if let timeProjection, let time {
            hidden = hidden + timeProjection(time).unsqueezed(-1).unsqueezed(-1)
        }
        return (shortcut?(x) ?? x) + conv2(norm2(hidden, silu: true))
    }
}

/// Nearest-neighbour doubling followed by a convolution.
struct Upsample2D {
    private let conv: Conv2d

    init(_ scope: Scope, channels: Int) {
        conv = Conv2d(scope / "conv", in: channels, out: channels, kernel: 3, padding: 1)
    }

    /// - Parameter size: height and width of the result; twice the input's by default.
    func callAsFunction(_ x: Tensor, size: (Int, Int)? = nil) -> Tensor {
        let (height, width) = size ?? (x.size(2) * 2, x.size(3) * 2)
        return conv(x.upsampledNearest(height, width))
    }
}

/// Halving by a convolution of stride 2. The VAE pads below and right only, the U-Net on all sides.
struct Downsample2D {
    private let conv: Conv2d
    private let asymmetric: Bool

    init(_ scope: Scope, channels: Int, asymmetric: Bool) {
        conv = Conv2d(
            scope / "conv", in: channels, out: channels, kernel: 3, stride: 2, padding: asymmetric ? 0 : 1)
        self.asymmetric = asymmetric
    }

    func callAsFunction(_ x: Tensor) -> Tensor { conv(asymmetric ? x.padded([0, 1, 0, 1]) : x) }
}
