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

    /// The features of `count` images, [count, width], of which the processes of a group work out a share each.
    /// - Parameter progress: called with the images done, of this process's share; what it throws ends the work.
    func features(
        _ count: Int, over group: ProcessGroup?, progress: (Int, Int) throws -> Void = { _, _ in },
        image: (Int) throws -> RGBImage
    ) throws -> Tensor {
        let own = group?.share(of: count) ?? 0..<count
        var parts: [Tensor] = []
        for start in stride(from: own.lowerBound, to: own.upperBound, by: imagesAtOnce) {
            let part = start..<min(start + imagesAtOnce, own.upperBound)
            parts.append(try features(of: part.map(image)))
            try progress(part.upperBound - own.lowerBound, own.count)
        }
        guard let group else { return .concatenated(parts) }
        return try withTorchErrors {
            let all = Tensor.zeros([count, options.width])
            if !parts.isEmpty { all[own].copy_(.concatenated(parts)) }
            group.sum(all)
            return all
        }
    }

    private var imagesAtOnce: Int { 64 }

    /// The features that a classifier is given with images that are no items of a data set, [n, width]: where they are
    /// shuffled, each image has the next one's.
    /// - Parameter group: the processes that work out a share each; all of them call this.
    /// - Throws: what ``features(of:)`` throws.
    public func assignedFeatures(of images: [RGBImage], over group: ProcessGroup? = nil) throws -> Tensor {
        let own = try features(images.count, over: group) { images[$0] }
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
