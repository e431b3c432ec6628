import Torch

/// Multi-head attention over tokens [N, L, width], to themselves or to a context [N, M, contextWidth].
/// Keys: `to_q`, `to_k`, `to_v`, `to_out.0`.
struct Attention {
    private let query, key, value, output: Linear
    private let heads: Int

    init(_ scope: Scope, width: Int, context: Int? = nil, heads: Int, bias: Bool = false) {
        query = Linear(scope / "to_q", in: width, out: width, bias: bias)
        key = Linear(scope / "to_k", in: context ?? width, out: width, bias: bias)
        value = Linear(scope / "to_v", in: context ?? width, out: width, bias: bias)
        output = Linear(scope / "to_out" / 0, in: width, out: width)
        self.heads = heads
    }

    func callAsFunction(_ x: Tensor, context: Tensor? = nil, injected: InjectedBatch? = nil) -> Tensor {
        func split(_ tokens: Tensor) -> Tensor {
            tokens.reshaped(tokens.size(0), tokens.size(1), heads, tokens.size(2) / heads).transposed(1, 2)
        }
        let source = context ?? x
        var (queries, keys, values) = (split(query(x)), split(key(source)), split(value(source)))
        if let injected { (queries, keys, values) = injected(queries: queries, keys: keys, values: values) }
        let mixed = queries.attention(keys: keys, values: values)
        return output(mixed.transposed(1, 2).flattened(from: 2))
    }
}

/// Self-attention over the positions of an image [N, C, H, W] with a residual connection: the VAE's.
/// Keys: `group_norm`, and those of ``Attention``.
struct ImageAttention {
    private let norm: GroupNorm
    private let attention: Attention

    init(_ scope: Scope, channels: Int, heads: Int, groups: Int, epsilon: Double) {
        norm = GroupNorm(scope / "group_norm", groups: groups, channels: channels, epsilon: epsilon)
        attention = Attention(scope, width: channels, heads: heads, bias: true)
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let tokens = norm(x).flattened(from: 2).transposed(1, 2)
        return x + attention(tokens).transposed(1, 2).reshaped(x.shape)
    }
}

/// Self-attention, cross-attention to the prompt and a gated feed-forward layer (diffusers'
/// `BasicTransformerBlock` with GEGLU).
private struct TransformerBlock {
    let norm1, norm2, norm3: LayerNorm
    let selfAttention, crossAttention: Attention
    let gate, output: Linear

    init(_ scope: Scope, width: Int, context: Int, heads: Int) {
        norm1 = LayerNorm(scope / "norm1", width: width)
        selfAttention = Attention(scope / "attn1", width: width, heads: heads)
        norm2 = LayerNorm(scope / "norm2", width: width)
        crossAttention = Attention(scope / "attn2", width: width, context: context, heads: heads)
        norm3 = LayerNorm(scope / "norm3", width: width)
        gate = Linear(scope / "ff" / "net" / 0 / "proj", in: width, out: 8 * width)
        output = Linear(scope / "ff" / "net" / 2, in: 4 * width, out: width)
    }

    func callAsFunction(_ x: Tensor, context: Tensor, injected: InjectedBatch?) -> Tensor {
        var x = x + selfAttention(norm1(x), injected: injected)
        x = x + crossAttention(norm2(x), context: context)
        let halves = gate(norm3(x)).chunked(2, dimension: -1)
        return x + output(halves[0] * halves[1].gelu())
    }
}

/// Transformer blocks over the positions of an image (diffusers' `Transformer2DModel`).
struct Transformer2D {
    private let norm: GroupNorm
    private let linearIn, linearOut: Linear?
    private let convIn, convOut: Conv2d?
    private let blocks: [TransformerBlock]
    private let scope: Scope

    init(_ scope: Scope, channels: Int, context: Int, heads: Int, layers: Int, groups: Int, linear: Bool) {
        self.scope = scope
        norm = GroupNorm(scope / "norm", groups: groups, channels: channels, epsilon: 1e-6)
        linearIn = linear ? Linear(scope / "proj_in", in: channels, out: channels) : nil
        convIn = linear ? nil : Conv2d(scope / "proj_in", in: channels, out: channels, kernel: 1)
        blocks = (0..<layers).map {
            TransformerBlock(scope / "transformer_blocks" / $0, width: channels, context: context, heads: heads)
        }
        linearOut = linear ? Linear(scope / "proj_out", in: channels, out: channels) : nil
        convOut = linear ? nil : Conv2d(scope / "proj_out", in: channels, out: channels, kernel: 1)
    }

    /// As a layer of a network, which may be computed again for the gradient.
    func layer(_ x: Tensor, _ context: Tensor, injected: InjectedBatch? = nil) -> Tensor {
        scope.layer(x, context) { self($0[0], context: $0[1], injected: injected) }
    }

    func callAsFunction(_ x: Tensor, context: Tensor, injected: InjectedBatch? = nil) -> Tensor {
        func tokens(_ image: Tensor) -> Tensor { image.permuted(0, 2, 3, 1).reshaped(x.size(0), -1, x.size(1)) }
        func image(_ tokens: Tensor) -> Tensor {
            tokens.reshaped(x.size(0), x.size(2), x.size(3), x.size(1)).permuted(0, 3, 1, 2)
        }
        let normed = norm(x)
        var hidden = linearIn?(tokens(normed)) ?? tokens(convIn?(normed) ?? normed)
        for block in blocks { hidden = block(hidden, context: context, injected: injected) }
        return x + (linearOut.map { image($0(hidden)) } ?? convOut?(image(hidden)) ?? image(hidden))
    }
}
