import Diffusion
import DomainGeneralization
import Torch

/// The frozen diffusion model of a run, with what all that ask it share: the words for styles, the store, the ledger.
public final class RunDiffusionModel {
    /// The model, whose weights do not change.
    public let model: LatentDiffusionModel
    /// The data and settings of the run.
    public internal(set) var context: AlgorithmContext
    /// Words for the styles of domains, of all of them or more.
    public let styleWords: [String: String]
    /// Where the model's results are kept, shared by all runs.
    public let store: ContentStore
    /// What the run used the model for.
    public let ledger: RunLedger

    /// The words for the styles of the source domains.
    public var styles: DomainStyles { DomainStyles(styleWords, context: context) }

    /// Loads the model of a run and goes on with its ledger.
    /// - Parameters:
    ///   - path: a folder in diffusers layout, a file of Stable Diffusion, or `ORG/NAME`.
    ///   - vae: the folder of another autoencoder; empty is the model's own.
    ///   - imageSize: side of the images that it is given and makes, in pixels; 0 is what it was trained on.
    ///   - styles: words by domain.
    ///   - isDistilled: whether latent distillation asks it, which needs its autoencoder in float32.
    /// - Throws: a one-line error for a model or a ledger that cannot be used.
    public convenience init(
        _ path: String, vae: String = "", dtype: ModelPrecision, imageSize: Int, styles: [String: String],
        isDistilled: Bool,
        context: AlgorithmContext
    ) throws {
        try self.init(
            LatentDiffusionModel(
                path: path, vaeFolder: vae.isEmpty ? nil : vae, device: context.device,
                dtype: dtype.dtype(on: context.device), vaeDType: isDistilled ? .float32 : nil,
                imageSize: imageSize == 0 ? nil : imageSize),
            styles: styles, context: context)
    }

    /// Takes a model that was loaded, and goes on with the run's ledger.
    /// - Throws: a one-line error for a ledger that cannot be used.
    public init(_ model: LatentDiffusionModel, styles: [String: String], context: AlgorithmContext) throws {
        self.model = model
        self.context = context
        styleWords = styles
        store = ContentStore(context.storeDirectory, logger: context.logger)
        ledger = try RunLedger(context)
    }

    /// Takes the frozen features of the run into its context.
    public func take(_ frozenFeatures: FrozenFeatureTable?) { context.frozenFeatures = frozenFeatures }

    /// What frozen features are made of: the same model, store and ledger.
    public var features: FeatureSource { FeatureSource(model: model, store: store, ledger: ledger) }
}
