import Diffusion
import DomainFusion
import Foundation
import Foundations
import Pixels
import Torch

/// Trains the U-Net and the text encoder of a small LDM on the latents of its VAE, and writes the whole model.
public struct UNetTraining {
    /// Sizes of the U-Net; those of the embedded model by default.
    public var unet: UNet2DConditionConfig
    /// Sizes of the text encoder; those of the embedded model by default.
    public var text: CLIPTextConfig
    /// The hyperparameters of the training.
    public var options = UNetTrainingOptions()

    /// Begins with the weights that the model folder holds; a checkpoint in the work folder comes first.
    public var warmStart = false

    /// The training of the embedded model.
    public init() {
        unet = UNet2DConditionConfig()
        unet.sampleSize = 16
        unet.blockOutChannels = [48, 96, 192]
        unet.downAttention = [false, true, true]
        unet.upAttention = [true, true, false]
        unet.layersPerBlock = [1, 1, 1]
        unet.transformerLayers = [1, 1, 1]
        unet.heads = [2, 4, 6]
        unet.normGroups = 16
        unet.crossAttentionWidth = 128
        // What is to be drawn reaches every resnet at once; cross-attention learns to bring it much later.
        unet.textEmbeddingHeads = 4
        text = CLIPTextConfig()
        text.width = 128
        text.feedForwardWidth = 512
        text.layers = 3
        text.heads = 4
        text.length = 32
    }

    /// Cosine ᾱ (Nichol & Dhariwal 2021): small latents keep their image longer than under Stable Diffusion's.
    public static var scheduler: SchedulerConfig {
        var config = SchedulerConfig()
        config.betaSchedule = .squaredCosine
        config.predictionType = .velocity
        config.timestepSpacing = .trailing
        config.clipSample = false
        return config
    }

    private struct Settings: Encodable {
        let options: UNetTrainingOptions
        let warmStart: Bool
        let corpus: String
        let vae: String
    }

    /// Trains, from the last checkpoint on if there is one, and writes the model.
    /// - Parameters:
    ///   - vocabulary: CLIP's `bpe_simple_vocab_16e6.txt`.
    ///   - output: the model folder; its `vae/` must be there.
    /// - Throws: also `UserError` when `work` holds a training with other settings, images or VAE, its length apart.
    public func run(
        corpus: LDMCorpus, vocabulary: String, work: String, output: String, device: Device, evaluateEvery: Int,
        shouldStop: () -> Bool, report: @escaping (String) -> Void
    ) throws {
        let vae = try makeAutoencoder(folder: "\(output)/vae", device: device, dtype: .float32)
        var unet = unet
        unet.sampleSize = corpus.size / vae.downsampling
        unet.inChannels = vae.latentChannels
        unet.outChannels = vae.latentChannels
        let settings = Settings(
            options: options, warmStart: warmStart, corpus: corpus.digest,
            vae: try SHA256Sum.of(file: "\(output)/vae/diffusion_pytorch_model.safetensors"))
        try TrainingSettings(settings).check(work: work, ignoring: ["steps"])
        try AtomicFile.makeFolder("\(output)/scheduler")
        try Self.scheduler.write(to: "\(output)/scheduler/scheduler_config.json")
        let tokenizer = try CLIPTokenizer(openAIMerges: vocabulary, contextLength: text.length)
        try tokenizer.write(to: "\(output)/tokenizer")
        let schedule = NoiseSchedule(Self.scheduler)

        let training = corpus.training
        let captions = CaptionTable(training.entries)
        // Only tokens that occur are trained; the others keep their initial vectors in the model that is written.
        let vocabularySubset = TokenSubset(tokenizer, captions.captions)
        var compact = text
        compact.vocabularySize = vocabularySubset.used.count
        let unetModel = UNet2DConditionModel(ParameterStore(seed: options.seed, device: device), unet)
        let textModel = CLIPTextModel(ParameterStore(seed: options.seed &+ 1, device: device), compact)

        if warmStart {
            let unetFile = "\(output)/unet/diffusion_pytorch_model.safetensors"
            let textFile = "\(output)/text_encoder/model.safetensors"
            try unetModel.store.load(StateDict(safetensors: unetFile), name: unetFile)
            try textModel.store.load(
                vocabularySubset.reduced(StateDict(safetensors: textFile)), name: textFile)
        }

        let latents = encodeAll(vae, training.images)
        let flipped = encodeAll(vae, training.images.flipped(3))
        let order = captions.repetitions(of: training.entries)
        let indices = Tensor((order + order.map { $0 + training.entries.count }).map(Int64.init)).to(device: device)
        let data = CaptionedLatents(
            latents: Tensor.concatenated([latents, flipped]).indexSelect(0, indices),
            kinds: (order + order).map { captions.kinds[$0] },
            choices: (order + order).map { captions.choices[$0] }, captions: captions.captions)
        let trainer = UNetTrainer(
            unetModel, textModel, data: data, tokens: vocabularySubset.ids.to(device: device),
            alphasCumprod: schedule.alphasCumprod, isVelocity: true, options: options)

        let heldOut = corpus.heldOut
        let heldOutLatents = encodeAll(vae, heldOut.images)
        let heldOutCaptions = heldOut.entries.map { captions.index($0.captions[3]) }
        let ofClasses = heldOut.entries.indices.filter { heldOut.entries[$0].isOfClass }
        let classLatents = heldOutLatents.indexSelect(0, Tensor(ofClasses.map(Int64.init)).to(device: device))
        let classes = corpus.classes
        let wrongCaptions = ofClasses.map { number in
            let entry = heldOut.entries[number]
            let wrong = classes[((classes.firstIndex(of: entry.kind) ?? 0) + 1) % classes.count]
            return captions.index(entry.styledCaption(wrong))
        }
        var loop = ModelTraining(folder: work, steps: options.steps)
        loop.evaluateEvery = evaluateEvery
        loop.report = report
        report(
            "U-Net: \(unetModel.store.parameterCount) parameters, text encoder: \(textModel.store.parameterCount), "
                + "\(training.entries.count) images, \(captions.captions.count) captions")
        func writeModel() throws {
            try trainer.withAverage {
                try write(vae, unetModel, textModel, subset: vocabularySubset, output: output)
            }
        }
        let isDone = try loop.run(trainer, shouldStop: shouldStop) { _ in
            try writeModel()
            return [
                (
                    "train_loss",
                    trainer.validationLoss(
                        latents[0..<min(512, latents.size(0))],
                        captions: training.entries.prefix(512).map { captions.index($0.captions[3]) })
                ),
                ("heldout_loss", trainer.validationLoss(heldOutLatents, captions: heldOutCaptions)),
                (
                    "heldout_right_class_loss",
                    trainer.validationLoss(classLatents, captions: ofClasses.map { heldOutCaptions[$0] })
                ),
                ("heldout_wrong_class_loss", trainer.validationLoss(classLatents, captions: wrongCaptions)),
            ]
        }
        // Also where it was killed between its last checkpoint and the writing of the model.
        if isDone { try writeModel() }
    }

    /// Writes the model with the averaged weights as float16.
    private func write(
        _ vae: any LatentAutoencoder, _ unetModel: UNet2DConditionModel, _ textModel: CLIPTextModel,
        subset: TokenSubset, output: String
    ) throws {
        try JSONFile.write(
            [
                "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.30.0",
                "vae": ["diffusers", .string("\(type(of: vae))")], "unet": ["diffusers", "UNet2DConditionModel"],
                "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
                "scheduler": ["diffusers", "DDIMScheduler"], "safety_checker": [.null, .null],
                "feature_extractor": [.null, .null], "requires_safety_checker": false,
            ], to: "\(output)/model_index.json")
        try JSONFile.write(unetModel.config.json, to: "\(output)/unet/config.json")
        try unetModel.store.state.write(
            safetensors: "\(output)/unet/diffusion_pytorch_model.safetensors", dtype: .float16)
        try JSONFile.write(text.json, to: "\(output)/text_encoder/config.json")
        try subset.expanded(textModel.store.state, vocabulary: text.vocabularySize).write(
            safetensors: "\(output)/text_encoder/model.safetensors", dtype: .float16)
    }
}

/// The different captions of a corpus and which of them each image may have.
struct CaptionTable {
    /// The first is the empty one.
    private(set) var captions = [""]
    private(set) var choices: [[Int32]] = []
    /// The number of each entry's class or subgroup.
    let kinds: [Int64]
    private var indices: [String: Int32] = ["": 0]

    init(_ entries: [LDMCorpus.Entry]) {
        let names = Set(entries.map(\.kind)).sorted()
        let numbers = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, Int64($0)) })
        kinds = entries.map { numbers[$0.kind] ?? 0 }
        for entry in entries {
            var list: [Int32] = []
            for caption in entry.captions {
                if indices[caption] == nil {
                    indices[caption] = Int32(captions.count)
                    captions.append(caption)
                }
                list.append(indices[caption] ?? 0)
            }
            choices.append(list)
        }
    }

    /// The index of a caption, 0 for one that does not occur.
    func index(_ caption: String) -> Int64 { Int64(indices[caption] ?? 0) }

    /// Indices of entries. Those of a class come four times where there are others: they matter more than signs and flags.
    func repetitions(of entries: [LDMCorpus.Entry]) -> [Int] {
        guard entries.contains(where: { !$0.isOfClass }) else { return Array(entries.indices) }
        return entries.indices.flatMap { [Int](repeating: $0, count: entries[$0].isOfClass ? 4 : 1) }
    }
}

/// The tokens that occur in some captions, numbered anew.
struct TokenSubset {
    /// Ids in the whole vocabulary, ascending.
    let used: [Int]
    /// Ids of the captions in the subset, int64 [captions, length].
    let ids: Tensor
    private static let embedding = "text_model.embeddings.token_embedding.weight"

    init(_ tokenizer: CLIPTokenizer, _ captions: [String]) {
        let encoded = captions.map { tokenizer.encode($0) }
        used = Set(encoded.joined()).sorted()
        let numbers = Dictionary(uniqueKeysWithValues: used.enumerated().map { ($1, Int64($0)) })
        ids = Tensor(encoded.joined().map { numbers[$0] ?? 0 }, shape: [captions.count, tokenizer.contextLength])
    }

    /// The text encoder's state with the subset's vectors alone, of one with the whole vocabulary.
    func reduced(_ state: StateDict) -> StateDict {
        var result = state
        result[Self.embedding] = state[Self.embedding]?.indexSelect(0, Tensor(used.map(Int64.init)))
        return result
    }

    /// The text encoder's state with the whole vocabulary: tokens that never occurred get the mean vector.
    func expanded(_ state: StateDict, vocabulary: Int) -> StateDict {
        guard let trained = state[Self.embedding] else { return state }
        var result = state
        let source = trained.to(device: .cpu)
        var rows = [Int64](repeating: Int64(used.count), count: vocabulary)
        for (number, id) in used.enumerated() { rows[id] = Int64(number) }
        result[Self.embedding] = noGrad {
            Tensor.concatenated([source, source.mean([0], keepDimensions: true)]).indexSelect(0, Tensor(rows))
        }
        return result
    }
}
