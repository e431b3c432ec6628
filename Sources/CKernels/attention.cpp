// Attention for inference on CPUs with AVX-512. libtorch's fused attention multiplies by MKL, which takes narrower vectors on
// processors that are not Intel's: there this is twice as fast, and a fifth of Stable Diffusion's U-Net at 512 pixels.
//
// In bfloat16, on processors with AVX-512-BF16, products are of pairs of numbers and everything between them is in float32.
//
// Blocks of queries meet blocks of keys, with the softmax rescaled from block to block (Dao et al. 2022; Milakov and
// Gimelshein 2018): scores never take more memory than a block. Results do not depend on the number of threads.

#include "parallel.h"
#include "processor.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#if defined(__x86_64__) && defined(__linux__)
#include <immintrin.h>

// Only what is for Pairs has instructions of AVX-512-BF16.
#define WITH_AVX512 __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,avx2,fma")))
#define INLINE inline __attribute__((always_inline)) WITH_AVX512

namespace {

constexpr int64_t lanes = 16;
constexpr int64_t tile = 6;       // queries whose sums stay in registers
constexpr int64_t rows = 48;      // queries of a block
constexpr int64_t panel = 64;     // keys whose scores stay in registers
constexpr int64_t keyBlock = 256; // keys of a block
constexpr float infinity = std::numeric_limits<float>::infinity();

int64_t rounded(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

// What is multiplied lies in places of 32 bits: a float each, or two neighbours in bfloat16, whose products are added up.
struct Singles {
    using Number = float;
    static constexpr int64_t each = 1; // numbers in a place

    INLINE static __m512 add(__m512 sum, __m512 left, __m512 right) { return _mm512_fmadd_ps(left, right, sum); }
};

struct Pairs {
    using Number = at::BFloat16;
    static constexpr int64_t each = 2;

    INLINE static __m512 add(__m512 sum, __m512 left, __m512 right) {
        return _mm512_dpbf16_ps(sum, (__m512bh)left, (__m512bh)right);
    }
};

// For the queries r of a tile and `vectors` times 16 columns c: sums[r][c] (+)= Σ_i left[r][i] · right[i][c].
template <typename Places, int vectors, bool fresh>
INLINE void multiply(
    const float *left, int64_t leftStride, const float *right, int64_t rightStride, int64_t count, float *sums,
    int64_t sumsStride) {
    __m512 sum[tile][vectors];
    for (int r = 0; r < tile; r++)
        for (int c = 0; c < vectors; c++)
            sum[r][c] = fresh ? _mm512_setzero_ps() : _mm512_loadu_ps(sums + r * sumsStride + c * lanes);
    for (int64_t i = 0; i < count; i++) {
        __m512 column[vectors];
        for (int c = 0; c < vectors; c++) column[c] = _mm512_loadu_ps(right + i * rightStride + c * lanes);
        for (int r = 0; r < tile; r++) {
            const __m512 factor = _mm512_set1_ps(left[r * leftStride + i]);
            for (int c = 0; c < vectors; c++) sum[r][c] = Places::add(sum[r][c], factor, column[c]);
        }
    }
    for (int r = 0; r < tile; r++)
        for (int c = 0; c < vectors; c++) _mm512_storeu_ps(sums + r * sumsStride + c * lanes, sum[r][c]);
}

// 2^x for x ≤ 0, by Taylor's polynomial of 2^(x − round(x)).
INLINE __m512 powerOfTwo(__m512 x) {
    x = _mm512_max_ps(_mm512_set1_ps(-150), x); // in this order a NaN stays one
    const __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512 part = _mm512_sub_ps(x, whole);
    __m512 value = _mm512_set1_ps(1.5252734e-5f);
    for (float factor : {1.5403530e-4f, 1.3333558e-3f, 9.6181291e-3f, 5.5504109e-2f, 0.24022651f, 0.69314718f, 1.f})
        value = _mm512_fmadd_ps(value, part, _mm512_set1_ps(factor));
    return _mm512_scalef_ps(value, whole);
}

// The same to 7.5e-5 of it, for what is rounded to bfloat16: the polynomial of 2^(x − floor(x)) that errs least.
INLINE __m512 roughPowerOfTwo(__m512 x) {
    const __m512 part = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 value = _mm512_set1_ps(0.078024517f);
    for (float factor : {0.22606716f, 0.69583353f, 0.99992522f})
        value = _mm512_fmadd_ps(value, part, _mm512_set1_ps(factor));
    return _mm512_scalef_ps(value, x);
}

// One head. Keys lie in panels [panel, places of the width, 64], values as [places of the keys, width rounded up].
template <typename Places> struct Head {
    using Number = typename Places::Number;
    static constexpr int64_t each = Places::each;

    const Number *queries;
    const float *keys, *values;
    Number *out;
    int64_t queryStride, outStride, keyCount, width;

    int64_t places() const { return width / each; }
    int64_t padded() const { return rounded(width, lanes); }
    int64_t scratch() const { return rows * (places() + keyBlock + padded()); }
    // Of scores to exponents of 2.
    float scale() const { return 1.4426950408889634f / std::sqrt(float(width)); }

    // Attention of the queries first ..< first + count.
    WITH_AVX512 void attend(int64_t first, int64_t count, float *scratch) const {
        float *own = scratch, *scores = own + rows * places(), *sums = scores + rows * keyBlock;
        float most[rows], total[rows];
        const int64_t used = rounded(count, tile);
        for (int64_t r = 0; r < used; r++)
            take(queries + (first + std::min(r, count - 1)) * queryStride, own + r * places());
        std::fill_n(sums, used * padded(), 0.f);
        std::fill_n(most, used, -infinity);
        std::fill_n(total, used, 0.f);
        for (int64_t key = 0; key < keyCount; key += keyBlock) {
            const int64_t count = std::min(keyBlock, keyCount - key), columns = rounded(count, panel);
            for (int64_t column = 0; column < columns; column += panel)
                for (int64_t r = 0; r < used; r += tile)
                    multiply<Places, panel / lanes, true>(
                        own + r * places(), places(), keys + (key + column) * places(), panel, places(),
                        scores + r * keyBlock + column, keyBlock);
            for (int64_t r = 0; r < used; r++) {
                float *row = scores + r * keyBlock;
                std::fill(row + count, row + columns, -infinity);
                const float factor = weigh(row, columns, most[r], total[r]);
                if (factor != 1)
                    for (int64_t d = 0; d < padded(); d++) sums[r * padded() + d] *= factor;
            }
            addValues(scores, values + key / each * padded(), (count + each - 1) / each, used, sums);
        }
        for (int64_t r = 0; r < count; r++)
            for (int64_t d = 0; d < width; d++)
                out[(first + r) * outStride + d] = static_cast<Number>(sums[r * padded() + d] / total[r]);
    }

    // A query to its places: of floats the scaled ones, while those of 16 bits keep theirs and their scores are scaled.
    INLINE void take(const Number *query, float *places) const {
        if constexpr (each == 1)
            for (int64_t d = 0; d < width; d++) places[d] = query[d] * scale();
        else
            std::memcpy(places, query, width * sizeof(Number));
    }

    // Scores to weights, in places and relative to the largest score so far; returns what earlier sums are to be
    // multiplied by.
    INLINE float weigh(float *row, int64_t columns, float &most, float &total) const {
        __m512 high = _mm512_set1_ps(most), sum = _mm512_setzero_ps();
        for (int64_t i = 0; i < columns; i += lanes) high = _mm512_max_ps(high, _mm512_loadu_ps(row + i));
        const float now = _mm512_reduce_max_ps(high), by = each == 1 ? 1 : scale();
        if constexpr (each == 1) {
            for (int64_t i = 0; i < columns; i += lanes) {
                const __m512 weight = powerOfTwo(_mm512_sub_ps(_mm512_loadu_ps(row + i), _mm512_set1_ps(now)));
                _mm512_storeu_ps(row + i, weight);
                sum = _mm512_add_ps(sum, weight);
            }
        } else {
            const __m512 factor = _mm512_set1_ps(by), shift = _mm512_set1_ps(-now * by);
            for (int64_t i = 0; i < columns; i += 2 * lanes) {
                const __m512 first = roughPowerOfTwo(_mm512_fmadd_ps(_mm512_loadu_ps(row + i), factor, shift));
                const __m512 second = roughPowerOfTwo(_mm512_fmadd_ps(_mm512_loadu_ps(row + i + lanes), factor, shift));
                _mm512_storeu_ps(row + i / each, (__m512)_mm512_cvtne2ps_pbh(second, first));
                sum = _mm512_add_ps(sum, _mm512_add_ps(first, second));
            }
        }
        const float factor = std::exp2((most - now) * by);
        total = total * factor + _mm512_reduce_add_ps(sum);
        most = now;
        return factor;
    }

    // sums[r][d] += Σ_i weights[r][i] · values[i][d], by at most 64 columns d at a time.
    INLINE void addValues(const float *weights, const float *values, int64_t count, int64_t used, float *sums) const {
        for (int64_t d = 0, width; d < padded(); d += width) {
            const int64_t left = padded() - d;
            width = left == 5 * lanes || left == 6 * lanes ? 3 * lanes : std::min(left, 4 * lanes);
            for (int64_t r = 0; r < used; r += tile) {
                const float *weight = weights + r * keyBlock, *value = values + d;
                float *sum = sums + r * padded() + d;
                switch (width / lanes) {
                case 1: multiply<Places, 1, false>(weight, keyBlock, value, padded(), count, sum, padded()); break;
                case 2: multiply<Places, 2, false>(weight, keyBlock, value, padded(), count, sum, padded()); break;
                case 3: multiply<Places, 3, false>(weight, keyBlock, value, padded(), count, sum, padded()); break;
                default: multiply<Places, 4, false>(weight, keyBlock, value, padded(), count, sum, padded());
                }
            }
        }
    }
};

// Keys [count, width] to a panel [places of the width, 64], by zeros where there are fewer.
template <typename Number>
WITH_AVX512 void packKeys(const Number *keys, int64_t stride, int64_t count, int64_t places, float *packed) {
    const __m512i steps = _mm512_mullo_epi32(
        _mm512_set1_epi32(int32_t(stride)), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    for (int64_t j = 0; j < panel; j += lanes) {
        const auto there = __mmask16((1 << std::clamp<int64_t>(count - j, 0, lanes)) - 1);
        for (int64_t d = 0; d < places; d++)
            _mm512_storeu_ps(
                packed + d * panel + j,
                _mm512_mask_i32gather_ps(
                    _mm512_setzero_ps(), there, steps, reinterpret_cast<const float *>(keys + j * stride) + d,
                    sizeof(Number)));
    }
}

// Values [count, width] to [places of the keys, width rounded up], by zeros where there are fewer.
template <typename Places>
WITH_AVX512 void packValues(
    const typename Places::Number *values, int64_t stride, int64_t count, int64_t width, float *packed) {
    const int64_t padded = rounded(width, lanes);
    for (int64_t i = 0; i < count; i += Places::each, values += Places::each * stride, packed += padded) {
        if constexpr (Places::each == 1) {
            std::copy_n(values, width, packed);
        } else {
            const bool both = i + 1 < count;
            for (int64_t d = 0; d < width; d++) {
                const typename Places::Number none = 0, pair[] = {values[d], both ? values[stride + d] : none};
                std::memcpy(packed + d, pair, sizeof pair);
            }
        }
        std::fill(packed + width, packed + padded, 0.f);
    }
}

// [N, heads, L, width] each; the result is laid out as [N, L, heads, width].
template <typename Places>
at::Tensor ownAttention(const at::Tensor &queries, const at::Tensor &keys, const at::Tensor &values) {
    using Number = typename Places::Number;
    constexpr int64_t each = Places::each;
    const int64_t images = queries.size(0), heads = queries.size(1), length = queries.size(2), width = queries.size(3);
    const int64_t keyCount = keys.size(2), panels = (keyCount + panel - 1) / panel, padded = rounded(width, lanes);
    const int64_t ofKeys = panels * panel * (width / each), ofValues = (keyCount + each - 1) / each * padded;
    at::Tensor out = at::empty({images, length, heads, width}, queries.options()).transpose(1, 2);
    at::Tensor packedKeys = at::empty({images * heads, ofKeys}, queries.options().dtype(at::kFloat));
    at::Tensor packedValues = at::empty({images * heads, ofValues}, packedKeys.options());
    auto origin = [&](const at::Tensor &tensor, int64_t head) {
        return tensor.data_ptr<Number>() + head / heads * tensor.stride(0) + head % heads * tensor.stride(1);
    };
    parallelFor(images * heads * panels, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) {
            const int64_t head = i / panels, first = i % panels * panel, count = std::min(panel, keyCount - first);
            packKeys(
                origin(keys, head) + first * keys.stride(2), keys.stride(2), count, width / each,
                packedKeys.data_ptr<float>() + head * ofKeys + first * (width / each));
            packValues<Places>(
                origin(values, head) + first * values.stride(2), values.stride(2), count, width,
                packedValues.data_ptr<float>() + head * ofValues + first / each * padded);
        }
    });
    const int64_t blocks = (length + rows - 1) / rows;
    parallelFor(images * heads * blocks, [&](int64_t begin, int64_t end) {
        std::vector<float> scratch;
        for (int64_t i = begin; i < end; i++) {
            const int64_t number = i / blocks, first = i % blocks * rows;
            const Head<Places> head{
                origin(queries, number), packedKeys.data_ptr<float>() + number * ofKeys,
                packedValues.data_ptr<float>() + number * ofValues, origin(out, number), queries.stride(2),
                out.stride(2), keyCount, width};
            scratch.resize(head.scratch());
            head.attend(first, std::min(rows, length - first), scratch.data());
        }
    });
    return out;
}

// Whether the functions above are for these; elsewhere libtorch's.
template <typename Places>
bool takesOwn(const at::Tensor &queries, const at::Tensor &keys, const at::Tensor &values) {
    auto fits = [&](const at::Tensor &tensor) {
        return tensor.device().is_cpu() && tensor.scalar_type() == c10::CppTypeToScalarType<typename Places::Number>::value
            && tensor.dim() == 4 && tensor.numel() > 0 && tensor.stride(3) == 1 && tensor.size(0) == queries.size(0)
            && tensor.size(1) == queries.size(1) && tensor.size(3) == queries.size(3)
            && !(at::GradMode::is_enabled() && tensor.requires_grad());
    };
    return (Places::each == 1 ? hasAVX512() : hasBFloat16()) && fits(queries) && fits(keys) && fits(values)
        && keys.size(2) == values.size(2) && queries.size(3) % Places::each == 0
        && !at::autocast::is_autocast_enabled(at::kCPU);
}

at::Tensor attention(const at::Tensor &queries, const at::Tensor &keys, const at::Tensor &values) {
    if (takesOwn<Singles>(queries, keys, values)) return ownAttention<Singles>(queries, keys, values);
    if (takesOwn<Pairs>(queries, keys, values)) return ownAttention<Pairs>(queries, keys, values);
    return at::scaled_dot_product_attention(queries, keys, values);
}

}
#else
namespace {
at::Tensor attention(const at::Tensor &queries, const at::Tensor &keys, const at::Tensor &values) {
    return at::scaled_dot_product_attention(queries, keys, values);
}
}
#endif

TORCH_LIBRARY_FRAGMENT(domainfusion, library) {
    library.def("attention(Tensor queries, Tensor keys, Tensor values) -> Tensor", attention);
}
