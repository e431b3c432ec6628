import Torch

/// The prompt as a whole, to be added to the embedding of the time step: prompt states [N, tokens, width] →
/// [N, timeWidth] (diffusers' `TextTimeEmbedding`, from DeepFloyd IF).
///
/// Keys: `norm1`, `pool`, `proj`, `norm2`.
struct TextTimeEmbedding {
    private let norm1, norm2: LayerNorm
    private let pool: AttentionPooling
    private let projection: Linear

    init(_ scope: Scope, width: Int, timeWidth: Int, heads: Int) {
        norm1 = LayerNorm(scope / "norm1", width: width)
        pool = AttentionPooling(scope / "pool", width: width, heads: heads)
        projection = Linear(scope / "proj", in: width, out: timeWidth)
        norm2 = LayerNorm(scope / "norm2", width: timeWidth)
    }

    func callAsFunction(_ context: Tensor) -> Tensor { norm2(projection(pool(norm1(context)))) }
}

/// Attention of the tokens' mean to the tokens and itself: [N, L, width] → [N, width].
///
/// Keys: `positional_embedding`, `q_proj`, `k_proj`, `v_proj`.
private struct AttentionPooling {
    private let position: Tensor
    private let query, key, value: Linear
    private let heads: Int

    init(_ scope: Scope, width: Int, heads: Int) {
        position = scope.parameter(
            "positional_embedding", [1, width], .normal(deviation: 1 / Double(width).squareRoot()))
        query = Linear(scope / "q_proj", in: width, out: width)
        key = Linear(scope / "k_proj", in: width, out: width)
        value = Linear(scope / "v_proj", in: width, out: width)
        self.heads = heads
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        func split(_ tokens: Tensor) -> Tensor {
            tokens.reshaped(tokens.size(0), tokens.size(1), heads, tokens.size(2) / heads).transposed(1, 2)
        }
        let mean = x.mean([1], keepDimensions: true) + position
        let tokens = Tensor.concatenated([mean, x], dimension: 1)
        let mixed = split(query(mean)).attention(keys: split(key(tokens)), values: split(value(tokens)))
        return mixed.transposed(1, 2).flattened(from: 1)
    }
}
