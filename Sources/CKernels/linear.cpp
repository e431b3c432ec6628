// Linear layers on CPUs with AVX-512 that are not Intel's. libtorch multiplies by MKL, which takes narrower vectors there; its
// 1×1 convolution multiplies by oneDNN, which does not: a layer's forward and backward pass take half the time.

#include "processor.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <torch/library.h>

namespace {

constexpr int64_t images = 16; // fewer on one thread, and libtorch does not have oneDNN convolve
constexpr int64_t fewest = 8;  // rows of each from which the convolution is the faster

bool takesConvolution(const at::Tensor &x, const at::Tensor &weight) {
    auto fits = [](const at::Tensor &tensor) { return tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat; };
    if (!multipliesNarrowly() || !fits(x) || !fits(weight) || weight.dim() != 2 || weight.numel() == 0 || x.dim() < 2)
        return false;
    const auto rows = x.numel() / weight.size(1);
    return x.size(-1) == weight.size(1) && rows % images == 0 && rows >= images * fewest
        && !at::autocast::is_autocast_enabled(at::kCPU);
}

at::Tensor linear(const at::Tensor &x, const at::Tensor &weight, const std::optional<at::Tensor> &bias) {
    if (!takesConvolution(x, weight)) return at::linear(x, weight, bias);
    // Rows are the memory of channels-last maps, whatever their shape.
    auto maps = x.contiguous().view({images, -1, 1, x.size(-1)}).permute({0, 3, 1, 2});
    auto shape = x.sizes().vec();
    shape.back() = weight.size(0);
    return at::conv2d(maps, weight.unsqueeze(2).unsqueeze(3), bias).permute({0, 2, 3, 1}).reshape(shape);
}

}

TORCH_LIBRARY_FRAGMENT(domainfusion, library) {
    library.def("linear(Tensor x, Tensor weight, Tensor? bias) -> Tensor", linear);
}
