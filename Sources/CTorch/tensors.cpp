// Tensors, and the generators of random ones.

#include "boundary.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/detail/AcceleratorHooksInterface.h>

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
