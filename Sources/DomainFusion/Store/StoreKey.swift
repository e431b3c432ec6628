import DomainGeneralization
import Foundations

/// The address of a value in a ``ContentStore``: the SHA-256 of a description of everything that the value depends on.
///
///     StoreKey(.candidate, ["image": .string(hash), "prompt": .string(prompt), "seed": .int(7)])
public struct StoreKey: Sendable, Equatable {
    /// What is stored; raw values are the names of the store's folders.
    public enum Kind: String, Sendable, CaseIterable {
        /// An image's distillation gradient as a function of its brightness: tensors.
        case curve
        /// An image that a diffusion model made of another: PNG.
        case candidate
        /// An image composed of two others' style and content: PNG.
        case composed
        /// A diffusion model's class probabilities of an image: tensors.
        case posterior
        /// A frozen network's features of an image: tensors.
        case features

        /// The extension of the files that hold the values.
        public var fileExtension: String {
            switch self {
            case .curve, .posterior, .features: "safetensors"
            case .candidate, .composed: "png"
            }
        }
    }

    /// What kind of value is stored.
    public let kind: Kind
    /// An object with everything that the value depends on; it is kept beside the value.
    public let description: JSONValue
    /// The address: 64 hexadecimal digits of the description's SHA-256.
    public let hash: String

    /// The address of a value of these parts.
    /// - Parameter parts: everything that the value depends on, by name.
    public init(_ kind: Kind, _ parts: [String: JSONValue]) {
        self.init(kind, description: .object(parts))
    }

    init(_ kind: Kind, description: JSONValue) {
        self.kind = kind
        self.description = description
        hash = SHA256Sum.of("\(kind.rawValue)\n\(description.text)")
    }
}
