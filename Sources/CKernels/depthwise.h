#pragma once

#include <ATen/ATen.h>

// The gradient of a depthwise convolution's weight. oneDNN's takes many times as long as the rest of the convolution where
// kernels are larger than 3×3 or planes tiny: a fifth of a training step of EfficientNet-Lite0.
namespace depthwise {

// Whether ours is for this case and the faster.
bool takesOwnGradient(const at::Tensor &x, const at::Tensor &weight);

at::Tensor weightGradient(
    const at::Tensor &x, const at::Tensor &gradient, const at::Tensor &weight, int64_t stride, int64_t padding);

}
