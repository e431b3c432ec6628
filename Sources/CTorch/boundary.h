// What every part of the C ABI does at the boundary: exceptions become statuses, references change hands.
#pragma once

#include "ctorch.h"

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdlib>
#include <cstring>
#include <string>

inline char *copied(const std::string &text) {
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

inline Impl *impl(ct_tensor t) { return reinterpret_cast<Impl *>(t); }

inline at::Tensor borrow(ct_tensor t) {
    if (!t) return at::Tensor();
    c10::raw::intrusive_ptr::incref(impl(t));
    return at::Tensor(c10::intrusive_ptr<Impl, c10::UndefinedTensorImpl>::reclaim(impl(t)));
}

inline ct_tensor give(at::Tensor t) {
    if (!t.defined()) return nullptr;
    return reinterpret_cast<ct_tensor>(t.unsafeReleaseTensorImpl());
}

inline at::Generator *generator(const void *g) { return reinterpret_cast<at::Generator *>(const_cast<void *>(g)); }

inline c10::Device device(int64_t code) {
    return c10::Device(static_cast<c10::DeviceType>(code >> 8), static_cast<c10::DeviceIndex>((code & 0xff) - 1));
}

inline int32_t code(c10::Device d) { return static_cast<int32_t>(d.type()) << 8 | (d.index() + 1); }
