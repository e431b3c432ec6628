import DomainGeneralization
import Foundations
import Pixels
import Torch

extension Augmenter {
    /// Where the amplitude of a composed image comes from.
    public enum Amplitude: Sendable {
        /// The candidate of the least similar style.
        case candidate
        /// Another source image, of the generator's size.
        case source(name: String, image: RGBImage)
        /// Noise with the amplitudes of the image that the candidates are made of, averaged over rings of equal frequency.
        case noise(seed: UInt64)

        /// What composed images depend on beside the candidates; empty for a candidate's amplitude.
        var particulars: [String: JSONValue] {
            switch self {
            case .candidate: [:]
            case .source(_, let image): ["amplitude": .string(SHA256Sum.of(image))]
            case .noise(let seed): ["amplitude": ["noise": .int(Int(truncatingIfNeeded: seed))]]
            }
        }

        /// The image that has the amplitude, [1, 3, H, W]; nil for a candidate.
        /// - Parameter start: the image that the candidates are made of, of this shape.
        func image(start: Tensor) -> Tensor? {
            switch self {
            case .candidate: nil
            case .source(_, let image): .images([image])
            case .noise(let seed): SpectralNoise.like(start, seed: seed)
            }
        }
    }
}
