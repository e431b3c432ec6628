import Torch

/// Exact feature distribution mixing (Zhang and others, CVPR 2022): ``FeatureMixing`` of whole distributions in the place of
/// two moments. In each channel the k-th smallest value moves towards the other image's k-th smallest one:
/// `x' = x + (1 − λ)·(x_other by rank − x)`; no gradient goes through the x that is taken away.
public enum EFDMix {
    /// How ``EFDMix`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "EFDMix", "Channel distributions of two images' features are mixed, value by value (Zhang and others 2022).",
        paper: "https://arxiv.org/abs/2203.07740", FeatureMixingSettings.self
    ) { try FeatureMixing($0, context: $1, name: "EFDMix", mix: mix) }

    private static func mix(_ maps: Tensor, _ partners: Tensor, _ weights: Tensor) -> Tensor {
        let rows = maps.contiguous().flattened(from: 2)
        let (values, order) = rows.sorted(2)
        let others = values.indexSelect(0, partners).gathered(2, order.sorted(2).indices).reshaped(maps.shape)
        let change = (others - maps.detached()) * (1 - weights)
        return maps + change
    }
}
