#include "ctorch.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <ATen/ThreadLocalState.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/AcceleratorHooksInterface.h>
#include <c10/core/Allocator.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/version.h>

#include <cstring>
#include <string>
#include <unordered_map>

namespace {

char *copied(const std::string &text) {
    char *out = static_cast<char *>(std::malloc(text.size() + 1));
    if (out) std::memcpy(out, text.c_str(), text.size() + 1);
    return out;
}

// One funnel for C++ exceptions: nothing unwinds through Swift.
template <typename Body> ct_status guarded(Body &&body) noexcept {
    try {
        body();
        return {0, nullptr};
    } catch (const c10::OutOfMemoryError &error) {
        return {2, copied(error.what_without_backtrace())};
    } catch (const c10::Error &error) {
        std::string text = error.what_without_backtrace();
        // The CPU allocator has no exception type of its own.
        return {text.find("DefaultCPUAllocator: ") == std::string::npos ? 1 : 2, copied(text)};
    } catch (const std::bad_alloc &) {
        return {2, copied("out of memory")};
    } catch (const std::exception &error) {
        return {1, copied(error.what())};
    } catch (...) {
        return {1, copied("unknown C++ exception")};
    }
}

using Impl = at::TensorImpl;

Impl *impl(ct_tensor t) { return reinterpret_cast<Impl *>(t); }

at::Tensor borrow(ct_tensor t) {
    if (!t) return at::Tensor();
    c10::raw::intrusive_ptr::incref(impl(t));
    return at::Tensor(c10::intrusive_ptr<Impl, c10::UndefinedTensorImpl>::reclaim(impl(t)));
}

ct_tensor give(at::Tensor t) {
    if (!t.defined()) return nullptr;
    return reinterpret_cast<ct_tensor>(t.unsafeReleaseTensorImpl());
}

at::Generator *generator(const void *g) { return reinterpret_cast<at::Generator *>(const_cast<void *>(g)); }

c10::Device device(int64_t code) {
    return c10::Device(static_cast<c10::DeviceType>(code >> 8), static_cast<c10::DeviceIndex>((code & 0xff) - 1));
}

int32_t code(c10::Device d) { return static_cast<int32_t>(d.type()) << 8 | (d.index() + 1); }

// What an argument wants, looked up once per operator: an integer given where a real is wanted becomes one, and a
// list of tensors takes the form (with or without None) that the schema asks for.
struct Argument {
    bool real, realList, optionalTensors;
    std::optional<c10::IValue> fallback;
};

struct Operator {
    c10::OperatorHandle handle;
    std::vector<Argument> arguments;
    std::string name;
};

c10::TypePtr unwrapped(c10::TypePtr type) {
    if (auto optional = type->cast<c10::OptionalType>()) return optional->getElementType();
    return type;
}

c10::IValue value(const ct_value &v, const Argument *argument) {
    switch (v.tag) {
    case CT_NONE:
        return c10::IValue();
    case CT_TENSOR:
        return borrow(reinterpret_cast<ct_tensor>(const_cast<void *>(v.pointer)));
    case CT_INT:
        if (argument && argument->real) return static_cast<double>(v.integer);
        return v.integer;
    case CT_DOUBLE:
        return v.real;
    case CT_BOOL:
        return v.integer != 0;
    case CT_STRING:
        return std::string(static_cast<const char *>(v.pointer));
    case CT_INT_LIST: {
        auto items = static_cast<const int64_t *>(v.pointer);
        if (argument && argument->realList) return std::vector<double>(items, items + v.count);
        return c10::List<int64_t>(c10::ArrayRef<int64_t>(items, v.count));
    }
    case CT_BOOL_LIST: {
        auto items = static_cast<const int64_t *>(v.pointer);
        c10::List<bool> list;
        for (int32_t i = 0; i < v.count; i++) list.push_back(items[i] != 0);
        return list;
    }
    case CT_DOUBLE_LIST: {
        auto items = static_cast<const double *>(v.pointer);
        return c10::List<double>(c10::ArrayRef<double>(items, v.count));
    }
    case CT_SCALAR_LIST: {
        auto items = static_cast<const double *>(v.pointer);
        c10::List<std::optional<at::Scalar>> list;
        for (int32_t i = 0; i < v.count; i++) list.push_back(at::Scalar(items[i]));
        return list;
    }
    case CT_TENSOR_LIST: {
        auto items = static_cast<const ct_tensor *>(v.pointer);
        if (argument && argument->optionalTensors) {
            c10::List<std::optional<at::Tensor>> list;
            list.reserve(v.count);
            for (int32_t i = 0; i < v.count; i++)
                list.push_back(items[i] ? std::optional<at::Tensor>(borrow(items[i])) : std::nullopt);
            return list;
        }
        c10::List<at::Tensor> list;
        list.reserve(v.count);
        for (int32_t i = 0; i < v.count; i++) list.push_back(borrow(items[i]));
        return list;
    }
    case CT_DEVICE:
        return device(v.integer);
    case CT_GENERATOR:
        return *generator(v.pointer);
    default:
        TORCH_CHECK(false, "unknown value tag ", v.tag);
    }
}

void store(c10::IValue &result, ct_value *out, size_t capacity, size_t *produced) {
    auto add = [&](ct_value v) {
        TORCH_CHECK(*produced < capacity, "the operator gives more than ", capacity, " results");
        out[(*produced)++] = v;
    };
    if (result.isTensor()) {
        add({CT_TENSOR, 1, 0, 0, give(std::move(result).toTensor())});
    } else if (result.isInt()) {
        add({CT_INT, 1, result.toInt(), 0, nullptr});
    } else if (result.isDouble()) {
        add({CT_DOUBLE, 1, 0, result.toDouble(), nullptr});
    } else if (result.isBool()) {
        add({CT_BOOL, 1, result.toBool() ? 1 : 0, 0, nullptr});
    } else if (result.isTensorList()) {
        for (at::Tensor t : result.toTensorVector()) add({CT_TENSOR, 1, 0, 0, give(std::move(t))});
    } else if (result.isNone()) {
        add({CT_NONE, 0, 0, 0, nullptr});
    } else {
        TORCH_CHECK(false, "results of type ", result.type()->str(), " are not handled");
    }
}

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

// Adds up what libtorch's CPU allocator reports to a profiler.
struct MemoryWatch : c10::MemoryReportingInfoBase {
    int64_t now = 0, peak = 0;
    // What was allocated since: what is freed may be older.
    std::unordered_map<void *, int64_t> held;

    void reportMemoryUsage(void *block, int64_t size, size_t, size_t, c10::Device where) override {
        if (!where.is_cpu()) return;
        if (size > 0) {
            held[block] = size;
            now += size;
            peak = std::max(peak, now);
        } else if (auto found = held.find(block); found != held.end()) {
            now -= found->second;
            held.erase(found);
        }
    }
    bool memoryProfilingEnabled() const override { return true; }
};

} // namespace

void ct_message_free(char *message) { std::free(message); }

ct_status ct_operator_find(const char *name, const char *overload, ct_operator *out) {
    return guarded([&] {
        auto handle = c10::Dispatcher::singleton().findSchema({name, overload});
        TORCH_CHECK(handle, "this libtorch (", TORCH_VERSION, ") has no operator ", name, ".", overload);
        auto *op = new Operator{*handle, {}, name};
        for (auto &argument : handle->schema().arguments()) {
            auto type = unwrapped(argument.real_type());
            bool optionalTensors = false, realList = false;
            if (auto list = type->cast<c10::ListType>()) {
                optionalTensors = list->getElementType()->kind() == c10::TypeKind::OptionalType;
                realList = list->getElementType()->kind() == c10::TypeKind::FloatType;
            }
            op->arguments.push_back(
                {type->kind() == c10::TypeKind::FloatType, realList, optionalTensors, argument.default_value()});
        }
        *out = reinterpret_cast<ct_operator>(op);
    });
}

ct_status ct_call(ct_operator reference, const ct_value *inputs, size_t count, ct_value *out, size_t capacity,
                  size_t *produced) {
    *produced = 0;
    return guarded([&] {
        auto *op = reinterpret_cast<Operator *>(reference);
        TORCH_CHECK(count <= op->arguments.size(), op->name, " takes ", op->arguments.size(), " arguments, not ", count);
        torch::jit::Stack stack;
        stack.reserve(op->arguments.size());
        for (size_t i = 0; i < op->arguments.size(); i++) {
            auto &argument = op->arguments[i];
            if (i < count && inputs[i].tag != CT_DEFAULT) {
                stack.push_back(value(inputs[i], &argument));
            } else {
                TORCH_CHECK(argument.fallback, op->name, ": argument ", i, " has no default");
                stack.push_back(*argument.fallback);
            }
        }
        op->handle.callBoxed(&stack);
        for (auto &result : stack) store(result, out, capacity, produced);
    });
}

void ct_tensor_retain(ct_tensor t) { c10::raw::intrusive_ptr::incref(impl(t)); }

void ct_tensor_release(ct_tensor t) {
    c10::intrusive_ptr<Impl, c10::UndefinedTensorImpl>::reclaim(impl(t));
}

ct_status ct_tensor_from_memory(void *data, const int64_t *sizes, size_t rank, int32_t dtype,
                                void (*release)(void *), void *context, ct_tensor *out) {
    return guarded([&] {
        auto options = at::TensorOptions().dtype(static_cast<c10::ScalarType>(dtype));
        at::IntArrayRef shape(sizes, rank);
        *out = give(at::from_blob(
            data, shape,
            [release, context](void *) {
                if (release) release(context);
            },
            options));
    });
}

ct_status ct_tensor_empty(const int64_t *sizes, size_t rank, int32_t dtype, int32_t where, ct_tensor *out) {
    return guarded([&] {
        auto options = at::TensorOptions().dtype(static_cast<c10::ScalarType>(dtype)).device(device(where));
        *out = give(at::empty(at::IntArrayRef(sizes, rank), options));
    });
}

int32_t ct_tensor_rank(ct_tensor t) { return static_cast<int32_t>(impl(t)->dim()); }
int64_t ct_tensor_size(ct_tensor t, int32_t dimension) { return impl(t)->sizes()[dimension]; }
int64_t ct_tensor_stride(ct_tensor t, int32_t dimension) { return impl(t)->strides()[dimension]; }
int64_t ct_tensor_count(ct_tensor t) { return impl(t)->numel(); }
int32_t ct_tensor_dtype(ct_tensor t) {
    return static_cast<int32_t>(c10::typeMetaToScalarType(impl(t)->dtype()));
}
int32_t ct_tensor_device(ct_tensor t) { return code(impl(t)->device()); }
bool ct_tensor_requires_grad(ct_tensor t) { return borrow(t).requires_grad(); }
bool ct_tensor_is_contiguous(ct_tensor t) { return impl(t)->is_contiguous(); }
int64_t ct_tensor_version(ct_tensor t) { return impl(t)->is_inference() ? -1 : borrow(t)._version(); }
void ct_tensor_bump_version(ct_tensor t) {
    if (!impl(t)->is_inference()) impl(t)->bump_version();
}
bool ct_tensor_same_strides(ct_tensor a, ct_tensor b) { return impl(a)->strides() == impl(b)->strides(); }

ct_status ct_tensor_set_requires_grad(ct_tensor t, bool on) {
    return guarded([&] { borrow(t).set_requires_grad(on); });
}

ct_status ct_tensor_data(ct_tensor t, void **out) {
    return guarded([&] { *out = borrow(t).data_ptr(); });
}

ct_status ct_tensor_item(ct_tensor t, double *out) {
    return guarded([&] { *out = borrow(t).item().toDouble(); });
}

ct_tensor ct_tensor_grad(ct_tensor t) { return give(borrow(t).grad()); }

ct_status ct_tensor_set_grad(ct_tensor t, ct_tensor gradient) {
    return guarded([&] {
        const auto &leaf = borrow(t);
        const auto &value = borrow(gradient);
        TORCH_CHECK(
            !value.defined()
                || (value.sizes() == leaf.sizes() && value.scalar_type() == leaf.scalar_type()
                    && value.device() == leaf.device()),
            "a gradient must have its tensor's shape, type and device");
        leaf.mutable_grad() = value;
    });
}

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

ct_status ct_generator_create(int32_t where, uint64_t seed, ct_generator *out) {
    return guarded([&] {
        auto target = device(where);
        at::Generator created = target.is_cpu()
            ? at::detail::createCPUGenerator(seed)
            : at::globalContext().getAcceleratorHooksInterface(target.type()).getNewGenerator(
                  target.has_index() ? target.index() : 0);
        if (!target.is_cpu()) created.set_current_seed(seed);
        *out = reinterpret_cast<ct_generator>(new at::Generator(std::move(created)));
    });
}

void ct_generator_release(ct_generator g) { delete generator(g); }

ct_status ct_generator_state(ct_generator g, ct_tensor *out) {
    return guarded([&] { *out = give(generator(g)->get_state()); });
}

ct_status ct_generator_set_state(ct_generator g, ct_tensor state) {
    return guarded([&] { generator(g)->set_state(borrow(state)); });
}

ct_status ct_manual_seed(uint64_t seed) {
    return guarded([&] { at::manual_seed(seed); });
}

void ct_set_threads(int32_t count) { at::set_num_threads(count); }
int32_t ct_threads(void) { return at::get_num_threads(); }
const char *ct_version(void) { return TORCH_VERSION; }

int32_t ct_device_count(int32_t type) {
    try {
        auto &context = at::globalContext();
        switch (static_cast<c10::DeviceType>(type)) {
        case c10::DeviceType::CPU:
            return 1;
        case c10::DeviceType::CUDA:
            return context.hasCUDA() ? static_cast<int32_t>(at::getNumGPUs()) : 0;
        case c10::DeviceType::MPS:
            return context.hasMPS() ? 1 : 0;
        default:
            return 0;
        }
    } catch (...) {
        return 0;
    }
}

ct_status ct_synchronize(int32_t where) {
    return guarded([&] {
        auto target = device(where);
        if (!target.is_cpu()) at::accelerator::synchronizeDevice(target.has_index() ? target.index() : 0);
    });
}

ct_status ct_memory(int32_t where, int64_t *allocated, int64_t *peak) {
    return guarded([&] {
        *allocated = 0;
        *peak = 0;
        auto target = device(where);
        if (target.is_cpu()) return;
        auto stats = at::accelerator::getDeviceStats(target.has_index() ? target.index() : 0);
        *allocated = stats.allocated_bytes[0].current;
        *peak = stats.allocated_bytes[0].peak;
    });
}

ct_status ct_memory_watch_begin(void) {
    return guarded([&] {
        c10::ThreadLocalDebugInfo::_push(c10::DebugInfoKind::PROFILER_STATE, std::make_shared<MemoryWatch>());
    });
}

ct_status ct_memory_watch_end(int64_t *peak) {
    *peak = 0;
    return guarded([&] {
        auto watch = c10::ThreadLocalDebugInfo::_pop(c10::DebugInfoKind::PROFILER_STATE);
        *peak = std::static_pointer_cast<MemoryWatch>(watch)->peak;
    });
}

void ct_flush_denormals(bool on) { at::globalContext().setFlushDenormal(on); }

