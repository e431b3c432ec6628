import Foundations
import Torch

/// Images and what they show, for one forward and backward pass.
public struct CaptionedBatch: Sendable {
    /// [N, 3, H, W] in [0, 1], H and W multiples of the VAE's `downsampling`.
    public let images: Tensor
    /// What the N images show: one prompt each.
    public let captions: [String]

    /// Images [N, 3, H, W] in [0, 1] with their N prompts.
    public init(images: Tensor, captions: [String]) {
        self.images = images
        self.captions = captions
    }
}

/// What one forward and backward pass depends on.
struct DenoisingBatch {
    /// Scaled latents [N, C, h, w] on the model's device.
    let latents: Tensor
    let captions: [String]
    /// int64 [N] on the model's device.
    let timesteps: Tensor
    /// Standard normal noise of the latents' shape.
    let epsilon: Tensor
}

/// Fine-tunes the U-Net of a latent diffusion model, and its text encoder if wanted, on images with captions: the weights
/// themselves, or low-rank adapters beside them.
///
/// ```swift
/// var options = FineTuningOptions()
/// (options.loraRank, options.loraAlpha) = (8, 8)
/// let tuner = try FineTuner(model, options: options) { number in try batch(number) }
/// while tuner.step < options.steps { _ = try tuner.advance() }
/// try tuner.writeLoRA(to: "style.safetensors")
/// ```
public final class FineTuner: ModelTrainer {
    /// The model that is trained in place.
    public let model: LatentDiffusionModel
    /// The hyperparameters of the training.
    public let options: FineTuningOptions
    /// Updates of the weights so far.
    public private(set) var step = 0
    /// Images of one update.
    public var batchSize: Int { options.batchSize * options.accumulation }
    /// What is trained and saved, each under its prefix in a checkpoint.
    let trained: [(prefix: String, store: ParameterStore)]
    private let batches: (Int) throws -> CaptionedBatch
    private let loss: DenoisingLoss
    private let optimizer: Optimizer
    let average: ParameterAverage?

    /// The layers that LoRA adapts, by the ends of their names: the projections of attention, as diffusers' scripts do.
    static let unetTargets = ["to_q", "to_k", "to_v", "to_out.0"]
    static let textTargets = ["q_proj", "k_proj", "v_proj", "out_proj"]

    /// A fine-tuning that begins with the model's weights, or with adapters that change nothing yet.
    /// - Parameters:
    ///   - model: loaded with the options' ``FineTuningOptions/weightType``; it is trained in place.
    ///   - batches: the images and captions of a pass, counted from 0 over the whole training; the same for the same
    ///     number.
    /// - Throws: `UserError` for options that make no sense or do not fit the model.
    public init(
        _ model: LatentDiffusionModel, options: FineTuningOptions, batches: @escaping (Int) throws -> CaptionedBatch
    ) throws {
        try options.validate()
        let isLoRA = options.loraRank > 0
        guard isLoRA || model.dtype == .float32 else {
            throw UserError("weights are trained in float32, not \(model.dtype); load the model in float32")
        }
        self.model = model
        model.isChanged = true
        self.options = options
        self.batches = batches
        let schedule = NoiseSchedule(model.schedulerConfig)
        loss = DenoisingLoss(
            alphasCumprod: schedule.alphasCumprod, predictionType: schedule.predictionType, minSNR: options.minSNR,
            device: model.device)
        var parts = [(prefix: "unet.", store: model.unet.store, targets: Self.unetTargets)]
        if options.trainsTextEncoder { parts.append(("text.", model.textEncoder.store, Self.textTargets)) }
        trained = parts.enumerated().map { index, part in
            part.store.recomputesLayers = options.recomputesLayers
            guard isLoRA else {
                part.store.packsWeights = false
                return (part.prefix, part.store)
            }
            let adapters = LowRankAdapters(
                of: part.store, layers: part.targets, rank: options.loraRank, alpha: options.loraAlpha,
                seed: options.seed &+ UInt64(index))
            part.store.adapters = adapters
            return (part.prefix + "lora.", adapters.store)
        }
        for part in trained { part.store.setRequiresGrad(true) }
        let parameters = trained.flatMap(\.store.parameters)
        optimizer = Optimizer(
            .adamW(), parameters, learningRate: options.learningRate, weightDecay: options.weightDecay)
        average = options.averageDecay > 0 ? ParameterAverage(parameters, decay: options.averageDecay) : nil
    }

    /// Number of scalars that are trained: of the adapters, or of the whole networks.
    public var parameterCount: Int { trained.reduce(0) { $0 + $1.store.parameterCount } }

    /// One update of the weights.
    /// - Throws: `UserError` when the loss or the gradient is not finite, `TorchError` when memory runs out, and what reading the images
    ///   throws: the weights are then as they were.
    public func advance() throws -> TrainingReport {
        let generator = stepGenerator(seed: options.seed, step: step)
        return try update { number in
            try draw(batches(step * options.accumulation + number), generator)
        }
    }

    /// Noise, time steps and captions of a pass.
    private func draw(_ batch: CaptionedBatch, _ generator: Generator) throws -> DenoisingBatch {
        let count = batch.captions.count
        let latents = try model.latents(of: batch.images) {
            let factor = self.model.vae.downsampling
            let (height, width) = (batch.images.size(2) / factor, batch.images.size(3) / factor)
            return Tensor.randn([count, self.model.vae.latentChannels, height, width], generator: generator)
                .to(device: self.model.device)
        }.ordinaryCopy()
        let drawn = Tensor.rand([count], generator: generator).scalars(Double.self)
        return DenoisingBatch(
            latents: latents, captions: zip(batch.captions, drawn).map { $1 < options.emptyCaptions ? "" : $0 },
            timesteps: Tensor.randint(0..<loss.steps, [count], generator: generator).to(device: model.device),
            epsilon: Tensor.randn(latents.shape, generator: generator).to(device: model.device))
    }

    /// One update from as many passes as the options say.
    /// - Parameter pass: what a pass of this update is made of, counted from 0.
    func update(_ pass: (Int) throws -> DenoisingBatch) throws -> TrainingReport {
        optimizer.zeroGrad()
        var sum = 0.0
        for number in 0..<options.accumulation {
            sum += try withTorchErrors {
                let batch = try pass(number)
                let error = autocast(model.device, dtype: autocastType) {
                    loss(
                        model.unet, batch.latents, context: context(batch.captions), timesteps: batch.timesteps,
                        epsilon: batch.epsilon, weighted: true)
                }.mean()
                let value = error.item()
                if value.isFinite { (error / Double(options.accumulation)).backward() }
                return value
            }
        }
        let value = sum / Double(options.accumulation)
        guard value.isFinite else {
            optimizer.zeroGrad()
            throw UserError("step \(step): the loss is \(value); lower the learning rate")
        }
        let norm = try withTorchErrors { clipGradients(optimizer.parameters, maximum: options.maximumNorm).item() }
        guard norm.isFinite else {
            optimizer.zeroGrad()
            throw UserError("step \(step): the gradient's norm is \(norm); lower the learning rate")
        }
        optimizer.learningRate = options.learningRate * options.learningRates.factor(step)
        try withTorchErrors {
            optimizer.step()
            average?.update(step: step)
        }
        optimizer.zeroGrad()
        step += 1
        return TrainingReport(
            step: step, values: [("loss", value), ("gradient", norm), ("learning_rate", optimizer.learningRate)])
    }

    /// The type of what is computed where the weights have another one.
    private var autocastType: DType? {
        options.precision.dtype == model.dtype ? nil : options.precision.dtype
    }

    /// Prompt states [N, tokens, width]; not kept, since a large data set has more captions than memory holds.
    private func context(_ captions: [String]) -> Tensor {
        let ids = captions.flatMap { model.tokenizer.encode($0).map(Int64.init) }
        let tokens = Tensor(ids, shape: [captions.count, ids.count / captions.count]).to(device: model.device)
        return options.trainsTextEncoder ? model.textEncoder(tokens) : noGrad { model.textEncoder(tokens) }
    }

    /// Runs `body` with the averaged weights, if there are such.
    public func withAverage<Result>(_ body: () throws -> Result) rethrows -> Result {
        try average?.whileSwapped(body) ?? body()
    }

    /// Writes the whole state into one file, atomically: weights, averages, optimiser and step.
    /// - Throws: `FileFormatError` where the file cannot be written.
    public func save(to path: String) throws {
        var checkpoint = TrainingCheckpoint(step: step)
        for part in trained { checkpoint.add(part.store.state, prefix: part.prefix) }
        if let average { checkpoint.add(average, prefix: "average.") }
        checkpoint.add(optimizer.state, prefix: "optimizer.")
        try checkpoint.write(to: path)
    }

    /// Takes up a state that ``save(to:)`` wrote; the training goes on to the same numbers.
    /// - Throws: `FileFormatError`, ``ModelError`` or `UserError` naming the file, which is damaged or belongs to other
    ///   options.
    public func restore(from path: String) throws {
        let checkpoint = try TrainingCheckpoint(path: path)
        for part in trained { try part.store.load(checkpoint.part(part.prefix), name: path) }
        if let average { try checkpoint.restore(average, prefix: "average.", path: path) }
        try optimizer.load(checkpoint.part("optimizer."), name: path)
        step = checkpoint.step
    }
}
