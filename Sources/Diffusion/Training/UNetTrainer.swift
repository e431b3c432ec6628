import Foundations
import Torch

/// Hyperparameters of ``UNetTrainer``.
public struct UNetTrainingOptions: Sendable, Codable, Equatable {
    /// Steps of the whole training.
    public var steps = 80_000
    /// Images in one step.
    public var batchSize = 16
    /// The highest learning rate, after the warm-up.
    public var learningRate = 4e-4
    /// Steps over which the learning rate rises from 0.
    public var warmup = 500
    /// Share of captions that are empty: what classifier-free guidance needs (Ho & Salimans 2021).
    public var emptyCaptions = 0.1
    /// γ of the min-SNR weighting (Hang et al. 2023), or 0 for none.
    ///
    /// None for the embedded model: on v it weights the noisiest steps by ᾱ ≈ 0, and these decide what is drawn.
    public var minSNR = 0.0
    /// Weight of naming the kind of thing from the prompt states behind the caption's last word; 0 for none.
    ///
    /// A text encoder that is trained from nothing tells the U-Net of the style, which comes early in the caption and so
    /// is in all later states, and keeps the noun to the one state of its word, which the U-Net never learns to attend
    /// to: after 144,000 images a wrong class in the prompt changed the error by 3e-6. A pretrained CLIP has the
    /// caption's meaning in its last states: this loss puts it there.
    public var kindWeight = 0.1
    /// b of the time steps' density ∝ tᵇ; 0 draws them uniformly.
    ///
    /// What a class looks like is decided at the noisiest steps: of a wrong class's excess error in the embedded model
    /// 97 % lay at t > 540 of 1000.
    public var timestepBias = 1.0
    /// Decay of the moving average of the weights, which is the result.
    public var averageDecay = 0.9995
    /// The seed of fresh weights and of all draws.
    public var seed: UInt64 = 0

    /// The settings of the embedded model.
    public init() {}
}

/// Latents of one image and what it may be called.
public struct CaptionedLatents {
    /// Scaled latents [M, C, h, w] on the training device.
    public let latents: Tensor
    /// For each latent the kind of thing that it shows, counted from 0.
    public let kinds: [Int64]
    /// For each latent the captions to draw from, as indices into ``captions``.
    public let choices: [[Int32]]
    /// All different captions; the first is the empty one.
    public let captions: [String]

    /// Latents with the captions that each may have.
    /// - Precondition: as many kinds and choices as latents; the first caption is empty.
    public init(latents: Tensor, kinds: [Int64], choices: [[Int32]], captions: [String]) {
        precondition(latents.size(0) == choices.count && kinds.count == choices.count && captions.first == "")
        self.latents = latents
        self.kinds = kinds
        self.choices = choices
        self.captions = captions
    }
}

/// The label that cross-entropy leaves out, as PyTorch's `ignore_index`.
private let ignoredLabel: Int64 = -100

/// Trains a ``UNet2DConditionModel`` and its text encoder together, on latents that are computed once.
public final class UNetTrainer: ModelTrainer {
    /// The network that is trained.
    public let unet: UNet2DConditionModel
    /// The prompt encoder that is trained with it.
    public let textEncoder: CLIPTextModel
    /// The hyperparameters of the training.
    public let options: UNetTrainingOptions
    /// Steps done so far.
    public private(set) var step = 0
    /// Images in one step.
    public var batchSize: Int { options.batchSize }
    private let data: CaptionedLatents
    private let tokens: Tensor
    private let denoising: DenoisingLoss
    /// Logits of the kinds from a prompt state; only training needs it.
    private let kindHead: Linear
    private let kindStore: ParameterStore
    private let optimizer: Optimizer
    private let average: ParameterAverage
    private let schedule: LearningRateSchedule

    /// A training from the networks' present weights on.
    /// - Parameters:
    ///   - tokens: token ids of `data.captions`, int64 [captions, length].
    ///   - alphasCumprod: ᾱ of each time step.
    ///   - isVelocity: whether the U-Net predicts v (Salimans & Ho 2022) rather than the noise.
    public init(
        _ unet: UNet2DConditionModel, _ textEncoder: CLIPTextModel, data: CaptionedLatents, tokens: Tensor,
        alphasCumprod: [Float], isVelocity: Bool, options: UNetTrainingOptions
    ) {
        self.unet = unet
        self.textEncoder = textEncoder
        self.data = data
        self.tokens = tokens
        self.options = options
        denoising = DenoisingLoss(
            alphasCumprod: alphasCumprod, predictionType: isVelocity ? .velocity : .epsilon, minSNR: options.minSNR,
            device: unet.store.device)
        unet.store.useChannelsLast()
        unet.store.setRequiresGrad(true)
        textEncoder.store.setRequiresGrad(true)
        kindStore = ParameterStore(seed: options.seed &+ 2, device: unet.store.device)
        kindHead = Linear(
            kindStore.root / "kind", in: textEncoder.config.width, out: Int((data.kinds.max() ?? 0) + 1))
        kindStore.setRequiresGrad(true)
        let parameters = unet.store.parameters + textEncoder.store.parameters + kindStore.parameters
        optimizer = Optimizer(.adamW(), parameters, learningRate: options.learningRate, weightDecay: 0)
        average = ParameterAverage(parameters, decay: options.averageDecay)
        schedule = .trapezoid(warmup: options.warmup, total: options.steps, decay: 0.2, floor: 0.02)
    }

    /// One step: draws latents, captions, noise and time steps, and updates both networks.
    /// - Throws: `UserError` when the loss or the gradient is not finite: the parameters are then as they were.
    public func advance() throws -> TrainingReport {
        let generator = stepGenerator(seed: options.seed, step: step)
        let count = options.batchSize
        let indices = Tensor.randint(0..<data.latents.size(0), [count], generator: generator)
        let draws = Tensor.rand([2, count], generator: generator).scalars(Double.self)
        let numbers = indices.scalars(Int.self)
        let captions: [Int64] = numbers.enumerated().map { position, index in
            if draws[position] < options.emptyCaptions { return 0 }
            let choices = data.choices[index]
            return Int64(choices[min(choices.count - 1, Int(draws[count + position] * Double(choices.count)))])
        }
        let device = unet.store.device
        let timesteps = stratifiedTimesteps(count, generator, bias: options.timestepBias).to(device: device)
        let clean = data.latents.indexSelect(0, indices.to(device: device))
        let epsilon = Tensor.randn(clean.shape, generator: generator).to(device: device)
        let text = tokens.indexSelect(0, Tensor(captions, device: device))
        let kinds = kindLabels(text, zip(numbers, captions).map { $1 == 0 ? ignoredLabel : data.kinds[$0] })
        // Not the mean, which is not a number when every caption is empty.
        let named = max(1, kinds.atLeast(0).sum().item())

        let parts = partCount
        let results = try Machine.concurrently(parts) { part in
            let rows = count * part / parts..<count * (part + 1) / parts
            let context = textEncoder(text[rows])
            let error =
                denoising(
                    unet, clean[rows], context: context, timesteps: timesteps[rows], epsilon: epsilon[rows],
                    weighted: true
                ).sum() / Double(count)
            let kindLoss =
                crossEntropy(
                    kindHead(context).flattened(from: 0, to: 1), kinds[rows].flattened(), reduction: .sum) / named
            let loss = options.kindWeight > 0 ? error + options.kindWeight * kindLoss : error
            return (error.item(), kindLoss.item(), gradients(of: [loss], with: optimizer.parameters))
        }
        let value = results.reduce(0) { $0 + $1.0 }
        guard value.isFinite else { throw UserError("step \(step): the loss is \(value); lower the learning rate") }
        for (index, parameter) in optimizer.parameters.enumerated() {
            let found = results.compactMap { $0.2[index] }
            parameter.grad = noGrad { found.dropFirst().reduce(found.first) { sum, part in sum.map { $0 + part } } }
        }
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
            values: [("loss", value), ("kind_loss", results.reduce(0) { $0 + $1.1 }), ("gradient", norm)])
    }

    /// How many parts of a batch are computed at the same time. On a CPU the operators of a small model on a few images are
    /// too small for several threads: on two threads the embedded model trains on 118 images a second in two parts of 16, on 93
    /// where the threads share every operator.
    private var partCount: Int {
        unet.store.device.kind == .cpu ? max(1, min(Machine.threads, options.batchSize / 16)) : 1
    }

    /// Labels [N, tokens] of the states that are to name the kind: those from the end token on, which stands for the
    /// caption's padding, too.
    private func kindLabels(_ text: Tensor, _ kinds: [Int64]) -> Tensor {
        let (count, length) = (text.size(0), text.size(1))
        let isEnd = text.equal(text.narrowed(1, start: length - 1, length: 1))
        return Tensor(kinds, shape: [count, 1], device: text.device).expanded([count, length])
            .where(isEnd, else: Tensor([ignoredLabel], shape: [1, 1], device: text.device))
    }

    /// One time step from each of `count` equally probable parts of the schedule: less variance than `count` draws.
    func stratifiedTimesteps(_ count: Int, _ generator: Generator, bias: Double) -> Tensor {
        let uniform = (Tensor.arange(to: Double(count)) + Tensor.rand([count], generator: generator)) / Double(count)
        let parts = bias == 0 ? uniform : uniform.pow(1 / (1 + bias))
        return (parts * Double(denoising.steps)).clamp(max: Double(denoising.steps - 1)).to(dtype: .int64)
    }

    /// Mean squared error of the averaged model on other latents, unweighted, at fixed noise and time steps.
    public func validationLoss(_ latents: Tensor, captions: [Int64], seed: UInt64 = 1) -> Double {
        average.whileSwapped {
            inferenceMode {
                let generator = Generator(seed: seed)
                let count = latents.size(0)
                let timesteps = stratifiedTimesteps(count, generator, bias: 0).to(device: unet.store.device)
                let epsilon = Tensor.randn(latents.shape, generator: generator).to(device: unet.store.device)
                let text = tokens.indexSelect(0, Tensor(captions, device: unet.store.device))
                return denoising(
                    unet, latents, context: textEncoder(text), timesteps: timesteps, epsilon: epsilon, weighted: false
                ).mean().item()
            }
        }
    }

    /// Runs `body` with the averaged weights.
    public func withAverage<Result>(_ body: () throws -> Result) rethrows -> Result {
        try average.whileSwapped(body)
    }

    /// Writes networks, averages, optimiser and step into one file, atomically.
    /// - Throws: `FileFormatError` where the file cannot be written.
    public func save(to path: String) throws {
        var checkpoint = TrainingCheckpoint(step: step)
        checkpoint.add(unet.store.state, prefix: "unet.")
        checkpoint.add(textEncoder.store.state, prefix: "text.")
        checkpoint.add(kindStore.state, prefix: "kind.")
        checkpoint.add(average, prefix: "average.")
        checkpoint.add(optimizer.state, prefix: "optimizer.")
        try checkpoint.write(to: path)
    }

    /// Takes up a state that ``save(to:)`` wrote; the training goes on to the same numbers.
    /// - Throws: a one-line error naming the file, which is damaged or belongs to another training.
    public func restore(from path: String) throws {
        let checkpoint = try TrainingCheckpoint(path: path)
        try unet.store.load(checkpoint.part("unet."), name: path)
        try textEncoder.store.load(checkpoint.part("text."), name: path)
        try kindStore.load(checkpoint.part("kind."), name: path)
        try checkpoint.restore(average, prefix: "average.", path: path)
        try optimizer.load(checkpoint.part("optimizer."), name: path)
        step = checkpoint.step
    }
}
