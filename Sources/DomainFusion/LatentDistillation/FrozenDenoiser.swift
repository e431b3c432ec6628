import Diffusion
import Torch

/// A latent diffusion model as latent distillation uses it: confidence-scaled views, noising, noise prediction.
public struct FrozenDenoiser {
    /// The model, whose weights do not change.
    public let model: LatentDiffusionModel
    private let signal, noise: Tensor
    private let prediction: PredictionType

    /// Latent distillation's view of a model and its noise schedule.
    public init(_ model: LatentDiffusionModel) {
        self.model = model
        let schedule = NoiseSchedule(model.schedulerConfig)
        let alphas = Tensor(schedule.alphasCumprod).to(device: model.device, dtype: model.workingDType)
        signal = alphas.sqrt()
        noise = (1 - alphas).sqrt()
        prediction = model.schedulerConfig.predictionType
    }

    /// Number of time steps T of the schedule.
    public var timeSteps: Int { signal.count }

    /// Latents of images [N, 3, H, W] in [0, 1] seen with confidences [N], or with a mask of confidences [N, 1, H, W]:
    /// [N, C, h, w].
    public func latents(_ images: Tensor, confidence: Tensor, scaling: LatentDistillationSettings.Scaling) -> Tensor {
        let p = confidence.rank == 4 ? confidence : confidence.reshaped(-1, 1, 1, 1)
        let view =
            switch scaling {
            case .black: 2 * (p * images) - 1
            case .grey: p * (2 * images - 1)
            }
        return model.vae.encode(view.contiguous(.channelsLast))
    }

    /// `√ᾱ_t z + √(1−ᾱ_t) ε`.
    public func noised(_ latents: Tensor, _ draw: NoiseDraw) -> Tensor {
        at(signal, draw) * latents + at(noise, draw) * draw.noise
    }

    /// ε̂ of noisy latents, whatever the network predicts, with classifier-free guidance in one batch.
    /// - Parameters:
    ///   - context: prompt states [N, tokens, width].
    ///   - guidanceScale: 1 is the conditional prediction alone.
    public func predictedNoise(_ noisy: Tensor, _ draw: NoiseDraw, context: Tensor, guidanceScale: Double) -> Tensor {
        func output(_ latents: Tensor, _ times: Tensor, _ context: Tensor) -> Tensor {
            model.unet(latents.contiguous(.channelsLast), timesteps: times, context: context)
        }
        let raw: Tensor
        if guidanceScale == 1 {
            raw = output(noisy, draw.times, context)
        } else {
            let count = noisy.size(0)
            let empty = model.embed([""]).expanded([count, -1, -1])
            let halves = output(
                .concatenated([noisy, noisy]), .concatenated([draw.times, draw.times]), .concatenated([empty, context])
            ).chunked(2, dimension: 0)
            raw = halves[0] + guidanceScale * (halves[1] - halves[0])
        }
        return switch prediction {
        case .epsilon: raw
        case .velocity: at(signal, draw) * raw + at(noise, draw) * noisy
        case .sample: (noisy - at(signal, draw) * raw) / at(noise, draw)
        }
    }

    /// w(t) of each draw [N].
    public func weight(_ draw: NoiseDraw, _ kind: LatentDistillationSettings.TimeWeight) -> Tensor {
        switch kind {
        case .one: draw.times.onesLike().to(dtype: model.workingDType)
        case .noise: noise.indexSelect(0, draw.times).squared()
        case .signal: signal.indexSelect(0, draw.times)
        }
    }

    private func at(_ table: Tensor, _ draw: NoiseDraw) -> Tensor {
        table.indexSelect(0, draw.times).reshaped(-1, 1, 1, 1)
    }
}

/// Time steps [N] (int64) and noise [N, C, h, w] of one evaluation of the loss for N images.
public struct NoiseDraw {
    /// Time steps, int64 [N].
    public let times: Tensor
    /// Standard normal noise, [N, C, h, w].
    public let noise: Tensor

    /// Given time steps with their noise.
    public init(times: Tensor, noise: Tensor) {
        self.times = times
        self.noise = noise
    }

    /// Draws for `count` images, time steps stratified over their range: one from each of `count` equal parts.
    public static func stratified(
        _ count: Int, for denoiser: FrozenDenoiser, settings: LatentDistillationSettings, generator: Generator
    ) -> NoiseDraw {
        let model = denoiser.model
        let total = Double(denoiser.timeSteps)
        let low = settings.lowestTime * total
        let parts = (Tensor.arange(to: Double(count)) + Tensor.rand([count], generator: generator)) / Double(count)
        let times = (parts * ((settings.highestTime - settings.lowestTime) * total) + low)
            .clamp(min: 0, max: total - 1).to(dtype: .int64)
        let side = model.imageSize / model.vae.downsampling
        let noise = Tensor.randn([count, model.unet.config.inChannels, side, side], generator: generator)
        return NoiseDraw(
            times: times.to(device: model.device), noise: noise.to(device: model.device, dtype: model.workingDType))
    }

    /// The draws in the order of `indices`.
    func selected(_ indices: Tensor) -> NoiseDraw {
        NoiseDraw(times: times.indexSelect(0, indices), noise: noise.indexSelect(0, indices))
    }

    /// The draws of some of the images.
    func part(_ range: Range<Int>) -> NoiseDraw { NoiseDraw(times: times[range], noise: noise[range]) }
}
