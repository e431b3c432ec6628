import Diffusion
import DomainFusion
import DomainGeneralization
import Pixels

/// What the studio shows, and what it works with.
public struct StudioOptions: Sendable {
    /// The folder below which runs are looked for.
    public var runs = "runs"
    /// Where classifiers compute: `auto`, `cpu`, `cuda:0`.
    public var device = "auto"
    /// Threads of a network, at least 1.
    public var threads = 1
    /// The most pixels of an image that is sent.
    public var pixelLimit = 1 << 24
    /// Loads the diffusion model that makes candidates; nil where there is none, and nothing of it is offered.
    public var diffusion: (@Sendable () throws -> LatentDiffusionModel)?
    /// What that model is asked for where a run's settings do not say it.
    public var prompt = LatentDistillationSettings().prompt
    /// The folder of that model's results, which runs share.
    public var store = "store"

    /// Options with these defaults: the folder `runs`, one thread, 4096×4096 pixels, no diffusion model.
    public init() {}
}
