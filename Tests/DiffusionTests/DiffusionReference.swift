import Torch

@testable import Diffusion

/// Inputs and outputs that diffusers and transformers computed with the model beside them
/// (scripts/fixtures/diffusion.py).
struct DiffusionReference {
    /// The model folder.
    let folder: String
    private let state: StateDict

    /// - Parameter kind: `sd1` (ε prediction, quick GELU, convolutions around attention) or `sd2` (v prediction, GELU,
    ///   linear layers, another number of heads on each level).
    init(_ kind: String) throws {
        folder = try fixture(kind)
        state = try StateDict(safetensors: "\(folder)/reference.safetensors")
    }

    /// - Throws: an error naming the tensor that the file lacks.
    func tensor(_ name: String) throws -> Tensor {
        guard let found = state[name] else { throw ModelError(path: folder, "the reference has no \(name)") }
        return found
    }

    static let kinds = ["sd1", "sd2"]
    static let prompt = "a photo of a dog, it's in the style of art"
    static let negativePrompt = "the cartoon"
}

/// The largest difference as a part of the largest value; infinite for different shapes.
func relativeError(_ actual: Tensor, _ expected: Tensor) -> Double {
    guard actual.shape == expected.shape else { return .infinity }
    let difference = (actual.to(dtype: .float64) - expected.to(dtype: .float64)).abs().max().item()
    let error = difference / expected.to(dtype: .float64).abs().max().item()
    return error.isFinite ? error : .infinity
}
