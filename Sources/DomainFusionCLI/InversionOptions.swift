import ArgumentParser
import Diffusion
import DomainGeneralization
import Foundations
import Pixels
import Torch

/// What 'ldm invert' and 'ldm edit' share: the images, what they show, and where the results go.
struct InversionOptions: ParsableArguments {
    @Argument(help: "Image files: JPEG, PNG, WebP or BMP.", completion: .images)
    var images: [String]

    @OptionGroup var model: LDMOption

    @OptionGroup var lora: LoRAOptions

    @Option(help: "What the images show; the empty prompt, the default, describes any image.")
    var prompt = ""

    @Option(help: "Steps of DDIM from an image to noise, and back. More of them lose less.")
    var steps = 50

    @Option(
        name: .shortAndLong, help: "The folder to write to; it is made where it is missing.", completion: .directory)
    var output: String

    @OptionGroup var placement: DeviceOption

    func validate() throws {
        try check("--steps", steps, in: 1...GenerationSettings.largestSteps)
    }

    /// A part of the images that the model works on together.
    struct Batch {
        /// The files.
        let paths: [String]
        /// The largest square in the middle of each, of the model's size: [N, 3, size, size] in 0…1.
        let images: Tensor
    }

    /// Goes through the images part by part.
    /// - Parameters:
    ///   - prompts: all that the model is asked for.
    ///   - passes: steps that each part takes, for the bar.
    ///   - body: is told of each step by the function that it is given.
    /// - Throws: a one-line error, before the model is loaded for images and folders that will not do.
    func run(
        prompts: [String], passes: Int,
        _ body: (LatentDiffusionModel, Batch, (Denoising.Step) throws -> Void) throws -> Void
    ) throws {
        try checkFiles()
        let adapters = try lora.read()
        let ldm = try model.load(device: placement.found())
        for (file, scale) in adapters { try ldm.merge(file, scale: scale) }
        ldm.warnOfCutOffs(prompts)
        try AtomicFile.makeFolder(output)
        let parts = stride(from: 0, to: images.count, by: ldm.batchLimit).map {
            Array(images[$0..<min($0 + ldm.batchLimit, images.count)])
        }
        let progress = Progress("denoising", unit: "steps")
        var done = 0
        for paths in parts {
            let tensors = try paths.map { try ImageFile.decode($0).square(ldm.imageSize).tensor() }
            try body(ldm, Batch(paths: paths, images: .concatenated(tensors))) { _ in
                done += 1
                progress.show(done, of: parts.count * passes)
            }
            progress.clear()
        }
    }

    /// The file of an image's result.
    /// - Parameter ending: with its dot.
    func result(of path: String, _ ending: String) -> String {
        FilePath.join(output, FilePath.stem(of: path) + ending)
    }

    /// Whether each image can be decoded and has a result of its own; none is kept, since there may be many.
    private func checkFiles() throws {
        var named: [String: String] = [:]
        for path in images {
            _ = try ImageFile.decode(path)
            let result = result(of: path, ".png")
            if let other = named.updateValue(path, forKey: result) {
                throw UserError("\(other) and \(path): \(result) would be the result of both; rename one")
            }
        }
        let own = Set(images.map(Files.realPath))
        if let result = named.keys.sorted().first(where: { own.contains(Files.realPath($0)) }) {
            throw UserError("\(result): an image that its result would replace; choose another --output")
        }
    }

    /// - Throws: `UserError` where numbers of a result are none.
    func checkFinite(_ result: Tensor) throws {
        guard result.isFinite().all().item() != 0 else {
            throw UserError("the results are not finite; take less --guidance or a higher precision")
        }
    }
}
