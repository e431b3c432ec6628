import Pixels
import Synchronization

/// The images that were sent last, for the diffusion model to be asked about.
final class DroppedImages: Sendable {
    private static let most = 16
    /// The longest side that is kept: diffusion models take no larger images.
    private static let side = 1024

    private struct Kept {
        let name: String
        let image: RGBImage
    }

    private let kept = Mutex<[Kept]>([])

    /// Keeps an image.
    /// - Returns: what it is asked for by, which nobody guesses.
    func keep(_ image: RGBImage) -> String {
        let name =
            String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt64.random(in: .min ... .max), radix: 36)
        let scale = min(1, Double(Self.side) / Double(max(image.width, image.height)))
        let small =
            scale == 1
            ? image
            : image.resized(
                width: max(1, Int(Double(image.width) * scale)), height: max(1, Int(Double(image.height) * scale)))
        kept.withLock { kept in
            kept.append(Kept(name: name, image: small))
            if kept.count > Self.most { kept.removeFirst() }
        }
        return name
    }

    /// The image of a name; nil where it is no longer kept.
    func image(_ name: String) -> RGBImage? {
        kept.withLock { $0.first { $0.name == name }?.image }
    }
}
