// Convolutions and max pooling that keep less for their gradient (normalization.h), and depthwise ones whose weight has a
// faster gradient (depthwise.h). Elsewhere libtorch's.

#include "depthwise.h"
#include "normalization.h"

#include <ATen/autocast_mode.h>
#include <torch/library.h>

#include <vector>

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Convolution : torch::autograd::Function<Convolution> {
    static at::Tensor forward(
        AutogradContext *context, const at::Tensor &x, const at::Tensor &weight, const std::optional<at::Tensor> &bias,
        int64_t stride, int64_t padding, int64_t groups) {
        variable_list saved{weight};
        for (auto &tensor : saved_input::of(x, context)) saved.push_back(tensor);
        context->save_for_backward(saved);
        context->saved_data["stride"] = stride;
        context->saved_data["padding"] = padding;
        context->saved_data["groups"] = groups;
        context->saved_data["bias"] = bias.has_value();
        return at::conv2d(x, weight, bias, {stride, stride}, {padding, padding}, {1, 1}, groups);
    }

    static variable_list backward(AutogradContext *context, variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto &weight = saved[0], &gradient = gradients[0];
        const auto x = saved_input::again(saved, 1, context);
        auto number = [&](const char *name) { return context->saved_data[name].toInt(); };
        const auto stride = number("stride"), padding = number("padding"), groups = number("groups");
        const bool hasBias = context->saved_data["bias"].toBool();
        auto needs = [&](size_t input) { return context->needs_input_grad(input); };
        // A gradient that is differentiated again is libtorch's.
        const bool own = needs(1) && groups > 1 && !at::GradMode::is_enabled() && depthwise::takesOwnGradient(x, weight);
        const std::vector<int64_t> biasSizes{weight.size(0)};
        const auto [ofInput, ofWeight, ofBias] = at::convolution_backward(
            gradient, x, weight, hasBias ? at::OptionalIntArrayRef(biasSizes) : std::nullopt, {stride, stride},
            {padding, padding}, {1, 1}, false, {0, 0}, groups, {needs(0), needs(1) && !own, hasBias && needs(2)});
        return {ofInput, own ? depthwise::weightGradient(x, gradient, weight, stride, padding) : ofWeight,
                ofBias,  {}, {}, {}};
    }
};

at::Tensor convolution(
    const at::Tensor &x, const at::Tensor &weight, const std::optional<at::Tensor> &bias, int64_t stride,
    int64_t padding, int64_t groups) {
    const bool own = at::GradMode::is_enabled() && weight.requires_grad()
        && (saved_input::isComputedAgain(x) || (groups > 1 && depthwise::takesOwnGradient(x, weight)))
        && !at::autocast::is_autocast_enabled(at::kCPU);
    if (!own) return at::conv2d(x, weight, bias, {stride, stride}, {padding, padding}, {1, 1}, groups);
    return Convolution::apply(x, weight, bias, stride, padding, groups);
}

// Keeps no indices either: they are found again.
struct MaxPooling : torch::autograd::Function<MaxPooling> {
    static at::Tensor forward(
        AutogradContext *context, const at::Tensor &x, int64_t kernel, int64_t stride, int64_t padding) {
        context->save_for_backward(saved_input::of(x, context));
        context->saved_data["kernel"] = kernel;
        context->saved_data["stride"] = stride;
        context->saved_data["padding"] = padding;
        return at::max_pool2d(x, {kernel, kernel}, {stride, stride}, {padding, padding});
    }

    static variable_list backward(AutogradContext *context, variable_list gradients) {
        const auto x = saved_input::again(context->get_saved_variables(), 0, context);
        auto sides = [&](const char *name) { return std::vector<int64_t>(2, context->saved_data[name].toInt()); };
        const auto kernel = sides("kernel"), stride = sides("stride"), padding = sides("padding");
        const auto indices = std::get<1>(at::max_pool2d_with_indices(x, kernel, stride, padding));
        const auto ofInput = at::max_pool2d_with_indices_backward(
            gradients[0], x, kernel, stride, padding, {1, 1}, false, indices);
        return {ofInput, {}, {}, {}};
    }
};

at::Tensor maxPooling(const at::Tensor &x, int64_t kernel, int64_t stride, int64_t padding) {
    if (!at::GradMode::is_enabled() || !saved_input::isComputedAgain(x))
        return at::max_pool2d(x, {kernel, kernel}, {stride, stride}, {padding, padding});
    return MaxPooling::apply(x, kernel, stride, padding);
}

}

TORCH_LIBRARY_FRAGMENT(domainfusion, library) {
    library.def(
        "conv2d(Tensor x, Tensor weight, Tensor? bias, int stride, int padding, int groups) -> Tensor", convolution);
    library.def("max_pool2d(Tensor x, int kernel, int stride, int padding) -> Tensor", maxPooling);
}
