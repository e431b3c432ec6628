import Diffusion
import DomainGeneralization
import Foundation
import Foundations
import Torch

/// Fine-tunes a latent diffusion model on captioned images and writes the result: a LoRA, or a whole model folder.
///
/// The output folder also holds the training's own files in `training/`: `settings.json`, `log.jsonl` and
/// `checkpoint/`, from which the same settings go on.
public struct FineTuning {
    /// The hyperparameters of the training.
    public var options = FineTuningOptions()
    /// Side of the images in pixels; nil for the one that the model was trained on.
    public var resolution: Int?
    /// Which square of an image is taken.
    public var crop = CaptionedImageLoader.Crop.center
    /// Whether half of the images are swapped left and right.
    public var flips = false
    /// Updates between two checkpoints.
    public var saveEvery = 500
    /// Updates between two lines of the log.
    public var logEvery = 10
    /// The type of the trained parts' weights in a model folder.
    public var outputType = ModelPrecision.float32
    /// Images that are decoded at a time.
    public var threads = 1

    /// A fine-tuning with the defaults of diffusers' scripts.
    public init() {}

    /// What a checkpoint belongs to: a training with other settings would not go on to the same numbers.
    private struct Settings: Codable, Equatable {
        var model: String
        var data: String
        /// A hash of their paths and captions.
        var images: String
        var options: FineTuningOptions
        var loading: CaptionedImageLoader.Options
    }

    /// Trains, from the last checkpoint on if there is one, and writes the result.
    /// - Parameters:
    ///   - path: the model, a folder in diffusers layout or an id in the local cache.
    ///   - output: the folder that the result is written to.
    ///   - report: receives every line of the log.
    /// - Returns: the LoRA file or the model folder.
    /// - Throws: `Interruption` once a signal has come, with the state saved; else a one-line error.
    public func run(
        model path: String, images: CaptionedImages, output: String, device: Device,
        progress: @escaping @Sendable (Int, Int) -> Void, report: @escaping (String) -> Void
    ) throws -> String {
        try options.validate()
        guard saveEvery > 0, logEvery > 0 else {
            throw UserError("checkpoints and log lines are written every 1 or more steps")
        }
        let work = "\(output)/training"
        let model = try LatentDiffusionModel(path: path, device: device, dtype: options.weightType)
        var loading = CaptionedImageLoader.Options()
        loading.resolution = resolution ?? model.imageSize
        (loading.crop, loading.flips, loading.seed) = (crop, flips, options.seed)
        guard (1...8192).contains(loading.resolution), loading.resolution % model.vae.downsampling == 0 else {
            throw UserError(
                "a resolution of \(loading.resolution) pixels: choose a multiple of \(model.vae.downsampling), such as "
                    + "\(model.imageSize)")
        }
        let settings = Settings(
            model: path, data: images.folder, images: images.digest, options: options, loading: loading)
        // A schedule that falls to the end depends on where the end is.
        try TrainingSettings(settings).check(work: work, ignoring: options.schedule == .constant ? ["steps"] : [])
        let loader = try CaptionedImageLoader(images, options: loading, threads: threads, progress: progress)
        let tuner = try FineTuner(model, options: options) { number in
            try loader.batch(number, size: options.batchSize)
        }
        report(
            "\(images.entries.count) images, \(tuner.parameterCount) trained parameters, "
                + "images in a step: \(tuner.batchSize)")
        var loop = ModelTraining(folder: work, steps: options.steps)
        loop.logEvery = logEvery
        loop.evaluateEvery = saveEvery
        loop.report = report
        guard try loop.run(tuner, shouldStop: { Interruption.current != nil }, evaluate: { _ in [] }) else {
            try Interruption.poll()
            throw UserError("\(output): stopped before its end")
        }
        // A training that is shorter than a line has no log.
        let log = try? TrainingLog(path: "\(work)/log.jsonl")
        var record = FineTuningRecord(
            model: path, data: images.name, domains: images.domains, images: images.entries.count,
            steps: options.steps, seconds: log?.seconds ?? 0)
        record.before = try model.fineTuning?.all ?? []
        guard options.loraRank > 0 else {
            try tuner.writeModel(to: output, dtype: outputType.dtype)
            try record.write(to: output)
            return output
        }
        let file = "\(output)/\(LoRAFile.fileName)"
        try tuner.writeLoRA(to: file)
        try record.write(to: output)
        return file
    }
}
