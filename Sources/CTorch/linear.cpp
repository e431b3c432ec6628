// Linear layers on CPUs with AVX-512 that are not Intel's. libtorch multiplies by MKL, which takes narrower vectors there; its
// 1×1 convolution multiplies by oneDNN, which does not: a layer's forward and backward pass take half the time.

#include "processor.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <torch/library.h>

namespace {

constexpr int64_t fewest = 128; // rows from which the convolution is the faster

bool takesConvolution(const at::Tensor &x, const at::Tensor &weight) {
    auto fits = [](const at::Tensor &tensor) { return tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat; };
    // libtorch has oneDNN convolve batches only.
    return multipliesNarrowly() && fits(x) && fits(weight) && x.dim() == 3 && weight.dim() == 2 && x.size(0) > 1
        && x.size(0) * x.size(1) >= fewest && x.size(2) == weight.size(1) && weight.numel() > 0
        && !at::autocast::is_autocast_enabled(at::kCPU);
}

at::Tensor linear(const at::Tensor &x, const at::Tensor &weight, const std::optional<at::Tensor> &bias) {
    if (!takesConvolution(x, weight)) return at::linear(x, weight, bias);
    // [N, T, C] is the memory of channels-last maps of T×1 places.
    auto maps = x.contiguous().unsqueeze(2).permute({0, 3, 1, 2});
    return at::conv2d(maps, weight.unsqueeze(2).unsqueeze(3), bias).permute({0, 2, 3, 1}).squeeze(2);
}

}

TORCH_LIBRARY_FRAGMENT(domainfusion, library) {
    library.def("linear(Tensor x, Tensor weight, Tensor? bias) -> Tensor", linear);
}
