import Foundations
import Torch

/// Hyperparameters of ``VAETrainer``.
public struct VAETrainingOptions: Sendable, Codable, Equatable {
    /// Steps of the whole training.
    public var steps = 12_000
    /// Images in one step.
    public var batchSize = 16
    /// The highest learning rate, after the warm-up.
    public var learningRate = 1e-3
    /// Steps over which the learning rate rises from 0.
    public var warmup = 200
    /// Weight of the divergence from the standard normal distribution, per latent number.
    public var klWeight = 5e-3
    /// Weight of the squared error beside the absolute error.
    public var squaredWeight = 2.0
    /// Weight of the error of horizontal and vertical differences: sharp outlines.
    public var edgeWeight = 0.5
    /// Weight of the error of opponent colours, pooled over 4×4 pixels: without it red and green collapse to brown.
    public var colourWeight = 2.0
    /// Weight of a linear read-out of the pooled colours from the latents.
    public var probeWeight = 0.5
    /// Decay of the moving average of the weights, which is the result.
    public var averageDecay = 0.999
    /// The seed of fresh weights and of all draws.
    public var seed: UInt64 = 0

    /// The settings of the embedded model.
    public init() {}
}

/// Trains an ``AutoencoderKL`` to reconstruct images; no adversary, no perceptual network.
public final class VAETrainer: ModelTrainer {
    /// The autoencoder that is trained.
    public let vae: AutoencoderKL
    /// The hyperparameters of the training.
    public let options: VAETrainingOptions
    /// Steps done so far.
    public private(set) var step = 0
    /// Images in one step.
    public var batchSize: Int { options.batchSize }
    private let images: Tensor
    private let probe: Conv2d
    private let probeStore: ParameterStore
    private let optimizer: Optimizer
    private let average: ParameterAverage
    private let schedule: LearningRateSchedule

    /// A training from the autoencoder's present weights on.
    /// - Parameter images: the corpus, uint8 [N, 3, H, W].
    public init(_ vae: AutoencoderKL, images: Tensor, options: VAETrainingOptions) {
        self.vae = vae
        self.images = images
        self.options = options
        probeStore = ParameterStore(seed: options.seed &+ 1, device: vae.store.device)
        probe = Conv2d(probeStore.root, in: vae.config.latentChannels, out: 3, kernel: 1)
        vae.store.useChannelsLast()
        vae.store.setRequiresGrad(true)
        probeStore.setRequiresGrad(true)
        let parameters = vae.store.parameters
        optimizer = Optimizer(
            .adamW(beta2: 0.99), parameters + probeStore.parameters, learningRate: options.learningRate,
            weightDecay: 1e-4)
        average = ParameterAverage(parameters, decay: options.averageDecay)
        schedule = .trapezoid(warmup: options.warmup, total: options.steps, decay: 0.4, floor: 0.02)
    }

    /// One step on images that are drawn, half of them mirrored together.
    /// - Throws: `UserError` when the loss or the gradient is not finite: the parameters are then as they were.
    public func advance() throws -> TrainingReport {
        let generator = stepGenerator(seed: options.seed, step: step)
        let indices = Tensor.randint(0..<images.size(0), [options.batchSize], generator: generator)
        var x = images.indexSelect(0, indices).to(device: vae.store.device, dtype: .float32) / 127.5 - 1
        if generator.coin() { x = x.flipped(3) }
        x = x.contiguous(.channelsLast)

        let posterior = vae.posterior(x)
        let noise = Tensor.randn(posterior.mean.shape, generator: generator).to(device: vae.store.device)
        let latents = posterior.sample(noise: noise)
        let y = vae.decodeUnscaled(latents)

        let difference = y - x
        let absolute = difference.abs().mean()
        let squared = difference.squared().mean()
        let edges =
            (difference.sliced(3, from: 1, to: .max) - difference.sliced(3, from: 0, to: -1)).abs().mean()
            + (difference.sliced(2, from: 1, to: .max) - difference.sliced(2, from: 0, to: -1)).abs().mean()
        let colour = opponentColours(difference.averagePool2d(4, stride: 4)).abs().mean()
        let factor = vae.config.downsampling
        let pooled = x.averagePool2d(factor, stride: factor)
        let readOut = (opponentColours(probe(latents)) - opponentColours(pooled)).abs().mean()
        let kl = posterior.klDivergence.mean() / Double(latents.count / latents.size(0))
        let loss =
            absolute + options.squaredWeight * squared + options.edgeWeight * edges + options.colourWeight * colour
            + options.probeWeight * readOut + options.klWeight * kl

        let value = loss.item()
        guard value.isFinite else { throw UserError("step \(step): the loss is \(value); lower the learning rate") }
        optimizer.zeroGrad()
        loss.backward()
        let norm = clipGradients(optimizer.parameters, maximum: 1).item()
        guard norm.isFinite else {
            throw UserError("step \(step): the gradient's norm is \(norm); lower the learning rate")
        }
        optimizer.learningRate = options.learningRate * schedule.factor(step)
        optimizer.step()
        average.update(step: step)
        step += 1
        return TrainingReport(
            step: step,
            values: [
                ("loss", value), ("absolute", absolute.item()), ("squared", squared.item()), ("edges", edges.item()),
                ("colour", colour.item()), ("probe", readOut.item()), ("kl", kl.item()),
            ])
    }

    /// Runs `body` with the averaged weights.
    public func withAverage<Result>(_ body: () throws -> Result) rethrows -> Result {
        try average.whileSwapped(body)
    }

    /// Writes autoencoder, averages, optimiser and step into one file, atomically.
    /// - Throws: `FileFormatError` where the file cannot be written.
    public func save(to path: String) throws {
        var checkpoint = TrainingCheckpoint(step: step)
        checkpoint.add(vae.store.state, prefix: "model.")
        checkpoint.add(probeStore.state, prefix: "probe.")
        checkpoint.add(average, prefix: "average.")
        checkpoint.add(optimizer.state, prefix: "optimizer.")
        try checkpoint.write(to: path)
    }

    /// Takes up a state that ``save(to:)`` wrote; the training goes on to the same numbers.
    /// - Throws: a one-line error naming the file, which is damaged or belongs to another training.
    public func restore(from path: String) throws {
        let checkpoint = try TrainingCheckpoint(path: path)
        try vae.store.load(checkpoint.part("model."), name: path)
        try probeStore.load(checkpoint.part("probe."), name: path)
        try checkpoint.restore(average, prefix: "average.", path: path)
        try optimizer.load(checkpoint.part("optimizer."), name: path)
        step = checkpoint.step
    }
}

/// Red against green and yellow against blue, of [N, 3, H, W]: [N, 2, H, W].
public func opponentColours(_ images: Tensor) -> Tensor {
    let channels = images.chunked(3, dimension: 1)
    let redGreen = (channels[0] - channels[1]) * 0.5.squareRoot()
    let yellowBlue = (channels[0] + channels[1] - 2 * channels[2]) * (1.0 / 6).squareRoot()
    return .concatenated([redGreen, yellowBlue], dimension: 1)
}

extension Generator {
    /// Heads or tails.
    func coin() -> Bool { Tensor.rand([1], generator: self).item() < 0.5 }
}
