#include "depthwise.h"
#include "parallel.h"
#include "vectors.h"

#include <algorithm>

namespace {

struct Shape {
    int64_t images, channels, height, width, outHeight, outWidth, kernel, stride, padding;
};

// Channels that are summed up together: a kernel's sums of so many stay in the fastest cache.
constexpr int64_t block = 64;
constexpr int64_t largestKernel = 7;

// The weight's gradient of channels `first` up to `first + count`, [channels, kernel, kernel]; x and gradient are
// [images, height, width, channels]. Sums go by image first, which keeps float32's rounding small.
WIDEST_VECTORS void sumWeightGradient(
    const Shape &s, const float *x, const float *gradient, float *result, int64_t first, int64_t count) {
    const int64_t taps = s.kernel * s.kernel;
    float total[largestKernel * largestKernel * block] = {}, sum[largestKernel * largestKernel * block];
    for (int64_t n = 0; n < s.images; n++) {
        std::fill(sum, sum + taps * block, 0.0f);
        for (int64_t oy = 0; oy < s.outHeight; oy++) {
            const int64_t top = oy * s.stride - s.padding;
            for (int64_t ox = 0; ox < s.outWidth; ox++) {
                const int64_t left = ox * s.stride - s.padding;
                const float *g = gradient + ((n * s.outHeight + oy) * s.outWidth + ox) * s.channels + first;
                for (int64_t ky = std::max<int64_t>(0, -top); ky < std::min(s.kernel, s.height - top); ky++)
                    for (int64_t kx = std::max<int64_t>(0, -left); kx < std::min(s.kernel, s.width - left); kx++) {
                        const float *in = x + ((n * s.height + top + ky) * s.width + left + kx) * s.channels + first;
                        float *out = sum + (ky * s.kernel + kx) * block;
                        for (int64_t c = 0; c < count; c++) out[c] += in[c] * g[c];
                    }
            }
        }
        for (int64_t i = 0; i < taps * block; i++) total[i] += sum[i];
    }
    for (int64_t c = 0; c < count; c++)
        for (int64_t tap = 0; tap < taps; tap++) result[(first + c) * taps + tap] = total[tap * block + c];
}

}

at::Tensor depthwise::weightGradient(
    const at::Tensor &x, const at::Tensor &gradient, const at::Tensor &weight, int64_t stride, int64_t padding) {
    const auto input = x.contiguous(at::MemoryFormat::ChannelsLast);
    const auto seed = gradient.contiguous(at::MemoryFormat::ChannelsLast);
    const auto result = at::empty(weight.sizes(), weight.options(), at::MemoryFormat::Contiguous);
    const Shape shape{input.size(0), input.size(1), input.size(2),  input.size(3), seed.size(2),
                      seed.size(3),  weight.size(2), stride, padding};
    const auto *in = input.const_data_ptr<float>(), *out = seed.const_data_ptr<float>();
    auto *sums = result.mutable_data_ptr<float>();
    // Each block is one thread's, so that the sums do not depend on the number of threads.
    parallelFor((shape.channels + block - 1) / block, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++)
            sumWeightGradient(shape, in, out, sums, i * block, std::min(block, shape.channels - i * block));
    });
    return result;
}

bool depthwise::takesOwnGradient(const at::Tensor &x, const at::Tensor &weight) {
    return x.device().is_cpu() && x.scalar_type() == at::kFloat && weight.scalar_type() == at::kFloat && x.dim() == 4
        && weight.size(0) == x.size(1) && weight.size(1) == 1 && weight.size(2) == weight.size(3)
        && weight.size(2) <= largestKernel && (weight.size(2) > 3 || x.size(2) * x.size(3) <= 16)
        && x.is_contiguous(at::MemoryFormat::ChannelsLast);
}
