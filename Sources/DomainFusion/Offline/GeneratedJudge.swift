import Pixels

/// A classifier that says which generated images still show their class. It must not have seen the domains that a run holds out.
public struct GeneratedJudge {
    /// A hash of its weights: selections depend on it.
    public let fingerprint: String
    /// The names of the classes that it knows.
    public let classes: [String]
    /// The domains that it has not seen.
    public let heldOut: [String]
    /// The probabilities of all classes, for each of some images.
    public let probabilities: ([RGBImage]) throws -> [[Double]]

    /// A judge of this function.
    public init(
        fingerprint: String, classes: [String], heldOut: [String],
        probabilities: @escaping ([RGBImage]) throws -> [[Double]]
    ) {
        (self.fingerprint, self.classes, self.heldOut) = (fingerprint, classes, heldOut)
        self.probabilities = probabilities
    }
}
