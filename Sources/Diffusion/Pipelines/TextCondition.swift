import Torch

/// What one image is denoised under: a prompt, or a mixture of two prompts' states, with a weight of guidance of its own where it
/// has one.
///
/// Mixed are the text encoder's states: w·c(prompt) + (1 − w)·c(other), the condition-level interpolation of FDS
/// (https://arxiv.org/abs/2407.03588, section 3.2).
///
///     let between = TextCondition("photo, dog", mixedWith: "sketch, dog", weight: 0.4, guidanceScale: 5)
///     let images = try model.textToImage(conditions: [between], seeds: [0])
public struct TextCondition: Sendable, Equatable {
    /// What the image is to show.
    public let prompt: String
    /// The prompt whose states are mixed in; nil for none.
    public let other: String?
    /// w, the share of ``prompt``, in 0…1; 1 where nothing is mixed in.
    public let weight: Double
    /// Weight of classifier-free guidance in the place of ``GenerationSettings/guidanceScale``; nil for that one.
    public let guidanceScale: Double?

    /// A prompt by itself.
    public init(_ prompt: String, guidanceScale: Double? = nil) {
        (self.prompt, other, weight, self.guidanceScale) = (prompt, nil, 1, guidanceScale)
    }

    /// A mixture of two prompts' states.
    /// - Parameter weight: the share of the first, in 0…1.
    public init(_ prompt: String, mixedWith other: String, weight: Double, guidanceScale: Double? = nil) {
        (self.prompt, self.other, self.weight, self.guidanceScale) = (prompt, other, weight, guidanceScale)
    }
}

extension LatentDiffusionModel {
    /// The states [N, tokens, width] of conditions.
    func embed(_ conditions: [TextCondition]) -> Tensor {
        let states = embed(conditions.map(\.prompt))
        guard conditions.contains(where: { $0.other != nil }) else { return states }
        let others = embed(conditions.map { $0.other ?? $0.prompt })
        return ordinaryMode {
            let weights = Tensor(
                conditions.map { Float($0.weight) }, shape: [conditions.count, 1, 1], device: states.device
            ).to(dtype: states.dtype)
            return weights * states + (1 - weights) * others
        }
    }
}
