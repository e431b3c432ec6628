// Gradients, and the modes of a thread that they depend on.

#include "boundary.h"

#include <ATen/ThreadLocalState.h>
#include <ATen/autocast_mode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <vector>

namespace {

using torch::autograd::variable_list;

// Autocast as it was at another time, and without its cache: what is cast without a graph must not serve one later.
struct AutocastState {
    c10::DeviceType type;
    bool on = at::autocast::is_autocast_enabled(type);
    at::ScalarType dtype = at::autocast::get_autocast_dtype(type);
    bool cached = at::autocast::is_autocast_cache_enabled();

    void enter() const {
        at::autocast::set_autocast_enabled(type, on);
        at::autocast::set_autocast_dtype(type, dtype);
        at::autocast::set_autocast_cache_enabled(cached);
    }
};

// A computation that the caller owns, to be run again by its gradient.
struct Body : torch::CustomClassHolder {
    ct_tensor (*run)(void *, const ct_tensor *, size_t);
    void (*drop)(void *);
    void *context;
    size_t inputs;
    AutocastState autocast;

    Body(ct_tensor (*run)(void *, const ct_tensor *, size_t), void (*drop)(void *), void *context, size_t inputs,
         c10::DeviceType type)
        : run(run), drop(drop), context(context), inputs(inputs), autocast{type} {
        autocast.cached = false;
    }
    ~Body() override { drop(context); }

    at::Tensor operator()(at::TensorList values) const {
        AutocastState before{autocast.type};
        autocast.enter();
        std::vector<ct_tensor> given;
        for (size_t i = 0; i < inputs; i++) given.push_back(reinterpret_cast<ct_tensor>(values[i].unsafeGetTensorImpl()));
        ct_tensor made = run(context, given.data(), given.size());
        before.enter();
        TORCH_CHECK(made, "a computation gave no result");
        return at::Tensor(c10::intrusive_ptr<Impl, c10::UndefinedTensorImpl>::reclaim(impl(made)));
    }
};

// Chen et al. 2016: only the inputs are kept for the gradient. Parameters are inputs of the node, too, so that it has a
// gradient where no other input wants one, and is a function like any other for torch.autograd.grad.
struct Recomputed : torch::autograd::Function<Recomputed> {
    static at::Tensor forward(torch::autograd::AutogradContext *context, c10::intrusive_ptr<Body> body,
                              at::TensorList all) {
        context->save_for_backward(all.vec());
        context->saved_data["body"] = c10::IValue::make_capsule(body);
        // Not an input itself, should the body return one.
        return (*body)(all).detach();
    }

    static variable_list backward(torch::autograd::AutogradContext *context, variable_list gradients) {
        auto capsule = context->saved_data["body"].toCapsule();
        auto &body = static_cast<Body &>(*capsule);
        auto all = context->get_saved_variables();
        variable_list results(all.size() + 1), leaves;
        std::vector<size_t> places;
        at::AutoGradMode recording(true);
        for (size_t i = 0; i < all.size(); i++) {
            bool wanted = all[i].requires_grad() && context->needs_input_grad(i);
            if (i < body.inputs) all[i] = all[i].detach().requires_grad_(wanted);
            if (!wanted) continue;
            leaves.push_back(all[i]);
            places.push_back(i + 1);
        }
        auto found = torch::autograd::grad({body(all)}, leaves, {gradients[0]}, std::nullopt, false, true);
        for (size_t i = 0; i < places.size(); i++) results[places[i]] = found[i];
        return results;
    }
};

} // namespace

ct_status ct_backward(ct_tensor root, ct_tensor gradient, bool retain_graph) {
    return guarded([&] {
        std::optional<bool> keep = retain_graph;
        borrow(root).backward(borrow(gradient), keep, false);
    });
}

ct_status ct_grad(const ct_tensor *outputs, size_t output_count, const ct_tensor *gradients, const ct_tensor *inputs,
                  size_t input_count, bool retain_graph, bool create_graph, ct_tensor *out) {
    return guarded([&] {
        torch::autograd::variable_list roots, seeds, leaves;
        for (size_t i = 0; i < output_count; i++) roots.push_back(borrow(outputs[i]));
        if (gradients)
            for (size_t i = 0; i < output_count; i++) seeds.push_back(borrow(gradients[i]));
        for (size_t i = 0; i < input_count; i++) leaves.push_back(borrow(inputs[i]));
        auto result = torch::autograd::grad(roots, leaves, seeds, retain_graph, create_graph, true);
        for (size_t i = 0; i < input_count; i++) out[i] = give(result[i]);
    });
}

ct_status ct_recomputed(const ct_tensor *inputs, size_t count, const ct_tensor *parameters, size_t parameter_count,
                        ct_tensor (*run)(void *, const ct_tensor *, size_t), void (*release)(void *), void *context,
                        ct_tensor *out) {
    bool owned = false;
    auto status = guarded([&] {
        TORCH_CHECK(count > 0, "a computation that is repeated needs an input");
        variable_list all;
        for (size_t i = 0; i < count; i++) all.push_back(borrow(inputs[i]));
        for (size_t i = 0; i < parameter_count; i++) all.push_back(borrow(parameters[i]));
        auto body = c10::make_intrusive<Body>(run, release, context, count, all[0].device().type());
        owned = true;
        *out = give(Recomputed::apply(body, at::TensorList(all)));
    });
    if (!owned) release(context);
    return status;
}

bool ct_grad_mode(void) { return at::GradMode::is_enabled(); }
void ct_set_grad_mode(bool on) { at::GradMode::set_enabled(on); }
void *ct_inference_mode_enter(bool on) { return new c10::InferenceMode(on); }
void ct_inference_mode_leave(void *guard) { delete static_cast<c10::InferenceMode *>(guard); }

ct_status ct_autocast_enter(int32_t where, int32_t dtype, void **before) {
    return guarded([&] {
        const AutocastState old{device(where).type()};
        auto state = old;
        state.on = true;
        state.dtype = static_cast<c10::ScalarType>(dtype);
        state.enter();
        *before = new AutocastState(old);
    });
}

void ct_autocast_leave(void *before) {
    auto *state = static_cast<AutocastState *>(before);
    state->enter();
    if (!state->on) at::autocast::clear_cache();
    delete state;
}

void *ct_thread_state(void) { return new at::ThreadLocalState(); }
void *ct_thread_state_enter(void *state) {
    return new at::ThreadLocalStateGuard(*static_cast<at::ThreadLocalState *>(state));
}
void ct_thread_state_leave(void *guard) { delete static_cast<at::ThreadLocalStateGuard *>(guard); }
void ct_thread_state_release(void *state) { delete static_cast<at::ThreadLocalState *>(state); }
