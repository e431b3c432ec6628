import Pixels

/// How predictions are worked out, and how many at a time.
public struct ServingOptions: Sendable {
    /// Takes the averaged models of the runs' ends.
    public var averaged = false
    /// Where the networks compute: `auto`, `cpu`, `cuda:0`.
    public var device = "auto"
    /// Threads of all passes together, and as many that decode images; at least 1.
    public var threads = 1
    /// The most images in one pass of a network.
    public var batch = 16
    /// Milliseconds that an image waits for others that are on their way, for a pass of more than one.
    public var patience = 5.0
    /// The most images that wait or are worked on at a time; requests beyond them are told to come again.
    public var places = 128
    /// The most pixels of an image.
    public var pixelLimit = 1 << 24

    /// The largest ``pixelLimit`` that there may be.
    public static let mostPixels = ImageFile.pixelLimit

    /// Options with these defaults: one thread, 16 images, 5 ms, 128 places, 4096×4096 pixels.
    public init() {}
}
