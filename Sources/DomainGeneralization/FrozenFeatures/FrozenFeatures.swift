import Backbones
import Pixels
import Torch

/// A frozen network whose features of an image a run's classifier takes beside its own, at the head.
///
/// They depend on the image alone, on no parameter that is trained: they are worked out once, and shared by all runs.
public protocol FrozenFeatures: AnyObject {
    /// How the classifier takes them.
    var options: FrozenFeatureOptions { get }

    /// Whose features an image gets. By default its own.
    var assignment: FeatureAssignment { get }

    /// What the features took so far that were worked out, not found in a store.
    var price: FeaturePrice { get }

    /// Features of images as they are, not augmented: float32 [n, width], on the CPU.
    /// - Throws: a one-line error of the network or of a store; `Interruption` between two images.
    func features(of images: [RGBImage]) throws -> Tensor
}

extension FrozenFeatures {
    /// Every image gets its own features.
    public var assignment: FeatureAssignment { .own }

    /// The features that a classifier is given with images that are no items of a data set, [n, width]: where they are
    /// shuffled, each image has the next one's.
    /// - Throws: what ``features(of:)`` throws.
    public func assignedFeatures(of images: [RGBImage]) throws -> Tensor {
        let own = try features(of: images)
        guard assignment != .own, images.count > 1 else { return own }
        return .concatenated([own[1..<images.count], own[0..<1]])
    }
}

/// What frozen features took.
public struct FeaturePrice: Equatable, Sendable {
    /// Images whose features were worked out.
    public var images = 0
    /// Wall-clock seconds that they took.
    public var seconds = 0.0

    /// Nothing so far.
    public init() {}
}

/// Whose features an image gets.
public enum FeatureAssignment: Equatable, Sendable {
    /// Its own ones, no control.
    case own
    /// Those of another image of its domain, drawn by the seed: a control, which leaves everything but what the features say
    /// of the image.
    case shuffled(seed: Int)
}
