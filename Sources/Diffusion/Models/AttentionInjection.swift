import Torch

/// What the self-attentions of a U-Net's decoder take from other images of the same batch: style transfer without training, as
/// StyleID (Chung, Hyun and Heo, CVPR 2024, https://arxiv.org/abs/2312.09008).
///
/// A batch of M + 2 N rows ends with N contents and N styles, which the network sees as they are. The M rows before them, in
/// M / N groups of N, are being drawn: their queries are blended with their content's, their keys and values are their style's.
public struct AttentionInjection: Sendable, Equatable {
    /// How many of the decoder's blocks with attention, counted from the last, that of the finest maps.
    public var blocks: Int
    /// γ, the content's share in the queries, 0…1; the rest is the drawn image's own.
    public var queryShare: Double
    /// τ, what attention's logits are multiplied by: above 1 it is sharper, as it is to the image's own keys.
    public var temperature: Double

    /// An injection with the settings of StyleID by default.
    public init(blocks: Int = 2, queryShare: Double = 0.75, temperature: Double = 1.5) {
        self.blocks = blocks
        self.queryShare = queryShare
        self.temperature = temperature
    }
}

/// An injection into a batch whose last rows are so many contents and as many styles.
struct InjectedBatch {
    let injection: AttentionInjection
    let count: Int

    /// Queries, keys and values [M + 2 N, heads, L, width] with the first M rows' replaced.
    func callAsFunction(queries: Tensor, keys: Tensor, values: Tensor) -> (
        queries: Tensor, keys: Tensor, values: Tensor
    ) {
        let drawn = queries.size(0) - 2 * count
        let copies = [drawn / count, 1, 1, 1]
        func content(_ rows: Tensor) -> Tensor { rows[drawn..<drawn + count] }
        func style(_ rows: Tensor) -> Tensor { rows[drawn + count..<drawn + 2 * count] }
        func replaced(_ rows: Tensor, by new: Tensor) -> Tensor { .concatenated([new, content(rows), style(rows)]) }
        let blended =
            content(queries).repeated(copies) * injection.queryShare + queries[0..<drawn] * (1 - injection.queryShare)
        return (
            replaced(queries, by: blended * injection.temperature),
            replaced(keys, by: style(keys).repeated(copies)), replaced(values, by: style(values).repeated(copies))
        )
    }
}
