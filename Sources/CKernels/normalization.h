#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

// What a layer keeps of its input x for the gradient. Where x comes straight from our batch or group norm with its
// activation, that is what the norm keeps anyway, and x is computed again: a network of convolution, norm and activation
// keeps one map a layer, not two.
namespace saved_input {

// Whether x comes straight from one of our norms, which keeps what it is computed again from.
bool isComputedAgain(const at::Tensor &x);

// To save beside a function's own tensors, after them.
torch::autograd::variable_list of(const at::Tensor &x, torch::autograd::AutogradContext *context);

// x again, from the saved tensors `first` and following.
at::Tensor again(const torch::autograd::variable_list &saved, size_t first, torch::autograd::AutogradContext *context);

}
