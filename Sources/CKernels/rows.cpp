#include "rows.h"
#include "vectors.h"

#include <algorithm>
#include <bit>

namespace rows {

// 1 / (1 + e^−x), e^x by a polynomial of the fraction of x / ln 2 (as in Cephes), in operations that become vectors.
static inline float sigmoid(float x) {
    float t = -x;
    t = t < -87.0f ? -87.0f : t;
    t = t > 87.0f ? 87.0f : t;
    constexpr float rounding = 12582912.0f; // 1.5 · 2^23: a sum with it has no fraction
    const float shifted = t * 1.44269504f + rounding, n = shifted - rounding;
    const float r = (t - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    // 2^n: the last bits of the sum are n.
    const auto power = std::bit_cast<float>((std::bit_cast<int32_t>(shifted) << 23) + (127 << 23));
    return 1.0f / (1.0f + p * power);
}

static inline float silu(float x) { return x * sigmoid(x); }

static inline float siluGradient(float x) {
    const float s = sigmoid(x);
    return s * (1.0f + x * (1.0f - s));
}

static inline float clamped(float value, Activation to) {
    const float above = value < to.lowest ? to.lowest : value; // not-a-number stays what it is
    return above > to.highest ? to.highest : above;
}

static inline float maskedGradient(float gradient, float value, Activation by) {
    return value <= by.lowest || value >= by.highest ? 0.0f : gradient;
}

// The activation of x · scale + shift by channel, of `rows` rows of channels.
WIDEST_VECTORS void activate(
    const float *x, float *y, const float *scale, const float *shift, Activation activation, int64_t rows,
    int64_t channels) {
    for (int64_t row = 0; row < rows; row++, x += channels, y += channels) {
        if (activation.silu)
            for (int64_t c = 0; c < channels; c++) y[c] = silu(x[c] * scale[c] + shift[c]);
        else
            for (int64_t c = 0; c < channels; c++) y[c] = clamped(x[c] * scale[c] + shift[c], activation);
    }
}

// The same with a residual that is added before a clamp.
WIDEST_VECTORS void activate(
    const float *x, const float *residual, float *y, const float *scale, const float *shift, Activation activation,
    int64_t rows, int64_t channels) {
    for (int64_t row = 0; row < rows; row++, x += channels, residual += channels, y += channels)
        for (int64_t c = 0; c < channels; c++)
            y[c] = clamped(x[c] * scale[c] + shift[c] + residual[c], activation);
}

// Of each channel of `rows` rows; `floats` has room for three rows. A block is read twice, the second time from the cache.
WIDEST_VECTORS void addMoments(const float *x, int64_t rows, int64_t channels, float *floats, Moments *moments) {
    float *mean = floats, *differences = floats + channels, *squares = floats + 2 * channels;
    for (int64_t begin = 0; begin < rows; begin += block) {
        const int64_t count = std::min(block, rows - begin);
        std::fill(floats, floats + 3 * channels, 0.0f);
        const float *from = x + begin * channels;
        for (int64_t row = 0; row < count; row++)
            for (int64_t c = 0; c < channels; c++) mean[c] += from[row * channels + c];
        for (int64_t c = 0; c < channels; c++) mean[c] /= count;
        for (int64_t row = 0; row < count; row++)
            for (int64_t c = 0; c < channels; c++) {
                const float difference = from[row * channels + c] - mean[c];
                differences[c] += difference;
                squares[c] += difference * difference;
            }
        for (int64_t c = 0; c < channels; c++) {
            // What float32 lost of the mean.
            const double rest = static_cast<double>(differences[c]) / count;
            moments[c].merge({static_cast<double>(count), mean[c] + rest, squares[c] - rest * rest * count});
        }
    }
}

// Adds up the gradient before the activation, and its products with x − mean, by channel; `floats` has room for two rows.
WIDEST_VECTORS void sumGradients(
    const float *x, const float *gradient, Channels by, Activation activation, int64_t rows, int64_t channels,
    float *floats, double *sums) {
    float *plain = floats, *products = floats + channels;
    for (int64_t begin = 0; begin < rows; begin += block) {
        std::fill(floats, floats + 2 * channels, 0.0f);
        for (int64_t row = begin; row < std::min(rows, begin + block); row++, x += channels, gradient += channels) {
            auto add = [&](int64_t c, float g) __attribute__((always_inline)) {
                plain[c] += g;
                products[c] += g * (x[c] - by.mean[c]);
            };
            if (activation.silu)
                for (int64_t c = 0; c < channels; c++)
                    add(c, gradient[c] * siluGradient(x[c] * by.scale[c] + by.shift[c]));
            else
                for (int64_t c = 0; c < channels; c++)
                    add(c, maskedGradient(gradient[c], x[c] * by.scale[c] + by.shift[c], activation));
        }
        for (int64_t i = 0; i < 2 * channels; i++) sums[i] += floats[i];
    }
}

// g · scale − plain − (x − mean) · product, g being the gradient before the activation.
WIDEST_VECTORS void inputGradient(
    const float *x, const float *gradient, float *result, Channels by, const float *plain, const float *product,
    Activation activation, int64_t rows, int64_t channels) {
    for (int64_t row = 0; row < rows; row++, x += channels, gradient += channels, result += channels) {
        auto write = [&](int64_t c, float g) __attribute__((always_inline)) {
            result[c] = g * by.scale[c] - plain[c] - (x[c] - by.mean[c]) * product[c];
        };
        if (activation.silu)
            for (int64_t c = 0; c < channels; c++)
                write(c, gradient[c] * siluGradient(x[c] * by.scale[c] + by.shift[c]));
        else
            for (int64_t c = 0; c < channels; c++)
                write(c, maskedGradient(gradient[c], x[c] * by.scale[c] + by.shift[c], activation));
    }
}

}
