import Foundations
import Pixels

/// One image that a diffusion model is asked for.
public protocol ImageOrder: Sendable {
    /// Seeds the noise.
    var seed: UInt64 { get }

    /// What the image depends on beside its seed and the generator, by name: for its address in the store.
    /// - Parameter hash: names a picture that it begins with.
    func parts(hash: (RGBImage) -> String) -> [String: JSONValue]
}
