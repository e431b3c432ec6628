// Depthwise convolution with a gradient of its own for the weight. oneDNN's takes many times as long as the rest of the
// convolution where kernels are larger than 3×3 or planes tiny: a fifth of a training step of EfficientNet-Lite0.

#include "parallel.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <vector>

#if defined(__x86_64__) && defined(__linux__)
#define WIDEST_VECTORS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define WIDEST_VECTORS
#endif

namespace {

struct Shape {
    int64_t images, channels, height, width, outHeight, outWidth, kernel, stride, padding;
};

// Channels that are summed up together: a kernel's sums of so many stay in the fastest cache.
constexpr int64_t block = 64;
constexpr int64_t largestKernel = 7;

// The weight's gradient of channels `first` up to `first + count`, [channels, kernel, kernel]; x and gradient are
// [images, height, width, channels]. Sums go by image first, which keeps float32's rounding small.
WIDEST_VECTORS void weightGradient(
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

at::Tensor weightGradient(
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
            weightGradient(shape, in, out, sums, i * block, std::min(block, shape.channels - i * block));
    });
    return result;
}

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Depthwise : torch::autograd::Function<Depthwise> {
    static at::Tensor forward(
        AutogradContext *context, const at::Tensor &x, const at::Tensor &weight, const std::optional<at::Tensor> &bias,
        int64_t stride, int64_t padding) {
        context->save_for_backward({x, weight});
        context->saved_data["stride"] = stride;
        context->saved_data["padding"] = padding;
        context->saved_data["bias"] = bias.has_value();
        return at::conv2d(x, weight, bias, stride, padding, 1, x.size(1));
    }

    static variable_list backward(AutogradContext *context, variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto &x = saved[0], &weight = saved[1], &gradient = gradients[0];
        const auto stride = context->saved_data["stride"].toInt(), padding = context->saved_data["padding"].toInt();
        const bool hasBias = context->saved_data["bias"].toBool();
        auto needs = [&](size_t input) { return context->needs_input_grad(input); };
        // A gradient that is differentiated again is libtorch's.
        const bool own = needs(1) && !at::GradMode::is_enabled();
        const std::vector<int64_t> biasSizes{weight.size(0)};
        const auto [ofInput, ofWeight, ofBias] = at::convolution_backward(
            gradient, x, weight, hasBias ? at::OptionalIntArrayRef(biasSizes) : std::nullopt, {stride, stride},
            {padding, padding}, {1, 1}, false, {0, 0}, x.size(1), {needs(0), needs(1) && !own, hasBias && needs(2)});
        return {ofInput, own ? weightGradient(x, gradient, weight, stride, padding) : ofWeight, ofBias, {}, {}};
    }
};

// What the gradient above is for and faster at: elsewhere libtorch's.
bool takesOwn(const at::Tensor &x, const at::Tensor &weight) {
    return at::GradMode::is_enabled() && weight.requires_grad() && x.device().is_cpu() && x.scalar_type() == at::kFloat
        && weight.scalar_type() == at::kFloat && !at::autocast::is_autocast_enabled(at::kCPU) && x.dim() == 4
        && weight.size(0) == x.size(1) && weight.size(1) == 1 && weight.size(2) == weight.size(3)
        && weight.size(2) <= largestKernel && (weight.size(2) > 3 || x.size(2) * x.size(3) <= 16)
        && x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor depthwiseConvolution(
    const at::Tensor &x, const at::Tensor &weight, const std::optional<at::Tensor> &bias, int64_t stride,
    int64_t padding) {
    if (!takesOwn(x, weight)) return at::conv2d(x, weight, bias, stride, padding, 1, weight.size(0));
    return Depthwise::apply(x, weight, bias, stride, padding);
}

}

TORCH_LIBRARY(domainfusion, library) {
    library.def(
        "depthwise_conv2d(Tensor x, Tensor weight, Tensor? bias, int stride, int padding) -> Tensor", depthwiseConvolution);
}
