import DomainGeneralization
import Foundations
import Torch

/// Images taken apart: row i of both tensors belongs to image i.
public struct StyleContent: Sendable {
    /// How they show it: [N, …], real numbers.
    public let style: Tensor
    /// What the images show: [N, …], real or complex numbers.
    public let content: Tensor

    /// Styles and contents of N images.
    public init(style: Tensor, content: Tensor) {
        self.style = style
        self.content = content
    }
}

/// A way to take images apart into style and content and to put one image's style and another's content together
/// (Dai and others, Moderately Distributional Exploration, ICML 2023).
///
/// Its fingerprint is everything that a composed image depends on beside the two images.
public protocol StyleContentSpace: ContentMeasure {
    /// Images of which the autoencoder is asked to take apart, and to compose, one image each; 0 without one.
    var vaePasses: (decompose: Int, compose: Int) { get }

    /// Style and content of images [N, 3, H, W] in 0…1.
    func decompose(_ images: Tensor) -> StyleContent

    /// Images [N, 3, H, W] in 0…1 with row i's style and row i's content.
    func compose(style: Tensor, content: Tensor) -> Tensor
}

extension StyleContentSpace {
    /// As many as taking an image apart needs.
    public var vaePassesPerContent: Int { vaePasses.decompose }

    /// The contents of images [N, 3, H, W] in 0…1, without their styles.
    public func contents(_ images: Tensor) -> Tensor { decompose(images).content }
}

/// How alike two styles are: the larger, the more.
public enum StyleSimilarity: String, SettingChoice {
    /// The cosine of the angle between the two.
    case cosine
    /// Minus the Euclidean distance of the two.
    case euclidean
    /// Minus the Euclidean distance of their `sign(s)·log(1 + |s|)`.
    ///
    /// Amplitudes of emoji by five vendors: a pair of the same vendor is more alike than one of two vendors 75 times in
    /// 100, by the cosine, which the zeroth frequency decides, 59 times (`Evidence/style-similarity`).
    case logarithmic

    /// Row by row: [N]. One row is compared with every row of the other.
    public func callAsFunction(_ a: Tensor, _ b: Tensor) -> Tensor {
        let (a, b) = (a.flattened(from: 1), b.flattened(from: 1))
        switch self {
        case .cosine: return cosineSimilarity(a, b)
        case .euclidean: return -(a - b).norm([1])
        case .logarithmic: return -(logarithm(a) - logarithm(b)).norm([1])
        }
    }

    private func logarithm(_ style: Tensor) -> Tensor { style.sign() * (style.abs() + 1).log() }
}
