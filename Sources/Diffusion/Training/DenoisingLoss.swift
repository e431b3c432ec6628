import Torch

/// What a U-Net's training minimises: the squared error of its prediction for latents that noise was mixed into (Ho et
/// al. 2020), weighted by time step if wanted.
struct DenoisingLoss {
    /// √ᾱ and √(1−ᾱ) of each time step.
    private let signal, noise: Tensor
    private let predictionType: PredictionType
    /// γ of the min-SNR weighting (Hang et al. 2023), or 0 for none.
    private let minSNR: Double

    /// Number of time steps.
    var steps: Int { signal.count }

    init(alphasCumprod: [Float], predictionType: PredictionType, minSNR: Double, device: Device) {
        let alphas = Tensor(alphasCumprod, device: device)
        signal = alphas.sqrt()
        noise = (1 - alphas).sqrt()
        self.predictionType = predictionType
        self.minSNR = minSNR
    }

    /// The error per image [N].
    /// - Parameters:
    ///   - clean: latents [N, C, h, w].
    ///   - context: prompt states [N, tokens, width].
    ///   - timesteps: int64 [N].
    ///   - epsilon: standard normal noise of the latents' shape.
    func callAsFunction(
        _ unet: UNet2DConditionModel, _ clean: Tensor, context: Tensor, timesteps: Tensor, epsilon: Tensor,
        weighted: Bool
    ) -> Tensor {
        let a = signal.indexSelect(0, timesteps).reshaped(-1, 1, 1, 1)
        let s = noise.indexSelect(0, timesteps).reshaped(-1, 1, 1, 1)
        let noisy = (a * clean + s * epsilon).contiguous(.channelsLast)
        let prediction = unet(noisy, timesteps: timesteps, context: context).to(dtype: clean.dtype)
        let target =
            switch predictionType {
            case .epsilon: epsilon
            case .sample: clean
            case .velocity: a * epsilon - s * clean
            }
        let error = (prediction - target).squared().mean([1, 2, 3])
        guard weighted, minSNR > 0 else { return error }
        let snr = (a * a / (s * s)).reshaped(-1)
        let clamped = snr.clamp(max: minSNR)
        return switch predictionType {
        case .epsilon: error * (clamped / snr)
        case .sample: error * clamped
        case .velocity: error * (clamped / (snr + 1))
        }
    }
}
