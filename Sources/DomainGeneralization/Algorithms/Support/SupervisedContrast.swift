import Torch

/// The supervised contrastive loss (Khosla and others 2020) in the form of ADRMX's code: with s_ij the cosine of the features
/// of images i and j over 0.07, `w_ij = ½·exp(s_ij)` and `p_ij = w_ij / (Σ_{j≠i} w_ij + 1e-5)`, the sum over the images i with
/// others of their class of the mean of `−log(p_ij + 1e-5)` over those others, divided by the number of such i plus one.
///
/// The code weighs images of the own and of other domains by λ and 1 − λ, with λ always ½.
/// - Parameter features: [N, F].
/// - Returns: a scalar, 0 where no class has two images.
func supervisedContrast(_ features: Tensor, _ pairs: ImagePairs) -> Tensor {
    let rows = features.normalisedRows
    let weights = 0.5 * (rows.matmul(rows.transposed(0, 1)) / 0.07).exp()
    let shares = weights / ((weights * pairs.others).sum([1], keepDimensions: true) + 1e-5)
    let counts = pairs.sameClass.sum([1])
    let means = ((shares + 1e-5).log() * pairs.sameClass).sum([1]) / counts.clamp(min: 1)
    return -1 * means.sum() / (counts.greater(than: 0).to(dtype: .float32).sum() + 1)
}
