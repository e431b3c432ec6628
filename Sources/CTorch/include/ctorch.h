// A C ABI over libtorch. Every function returns a status; nothing throws through it.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// One reference to a tensor. Freed with ct_tensor_release.
typedef struct ct_tensor_opaque *ct_tensor;
/// A resolved operator; lives as long as the process.
typedef struct ct_operator_opaque *ct_operator;
/// A random number generator. Freed with ct_generator_release.
typedef struct ct_generator_opaque *ct_generator;

/// code 0 = fine; otherwise `message` is owned by the caller and freed with ct_message_free.
typedef struct {
    int32_t code;
    char *message;
} ct_status;

enum {
    CT_NONE = 0,        // None of an optional argument
    CT_DEFAULT = 1,     // the default of the operator's schema
    CT_TENSOR = 2,      // pointer: ct_tensor (borrowed as input, owned as output)
    CT_INT = 3,         // integer
    CT_DOUBLE = 4,      // real
    CT_BOOL = 5,        // integer, 0 or 1
    CT_STRING = 6,      // pointer: UTF-8, zero-terminated
    CT_INT_LIST = 7,    // pointer: int64_t[count]
    CT_DOUBLE_LIST = 8, // pointer: double[count]
    CT_TENSOR_LIST = 9, // pointer: ct_tensor[count] (a null entry is None); an output list is flattened to CT_TENSORs
    CT_DEVICE = 10,     // integer: type << 8 | index + 1 (0: the current one)
    CT_GENERATOR = 11,  // pointer: ct_generator
    CT_BOOL_LIST = 12,  // pointer: int64_t[count]
    CT_SCALAR_LIST = 13, // pointer: double[count]; a list of optional numbers
};

typedef struct {
    int32_t tag;
    int32_t count;
    int64_t integer;
    double real;
    const void *pointer;
} ct_value;

void ct_message_free(char *message);

/// From now on a C++ exception that nobody catches, such as a lack of memory, ends the process with one line and status 1.
void ct_explain_termination(void);

// Operators
ct_status ct_operator_find(const char *name, const char *overload, ct_operator *out);
/// Calls an operator through the dispatcher. Missing trailing arguments take the schema's defaults.
/// Results are written to `out`, at most `capacity`; `produced` is their number.
ct_status ct_call(ct_operator op, const ct_value *inputs, size_t count, ct_value *out, size_t capacity,
                  size_t *produced);

// Tensors
void ct_tensor_retain(ct_tensor t);
void ct_tensor_release(ct_tensor t);
/// A tensor over foreign memory, contiguous; `release(context)` is called when the last reference goes.
ct_status ct_tensor_from_memory(void *data, const int64_t *sizes, size_t rank, int32_t dtype,
                                void (*release)(void *), void *context, ct_tensor *out);
ct_status ct_tensor_empty(const int64_t *sizes, size_t rank, int32_t dtype, int32_t device, ct_tensor *out);
int32_t ct_tensor_rank(ct_tensor t);
int64_t ct_tensor_size(ct_tensor t, int32_t dimension);
int64_t ct_tensor_stride(ct_tensor t, int32_t dimension);
int64_t ct_tensor_count(ct_tensor t);
int32_t ct_tensor_dtype(ct_tensor t);
int32_t ct_tensor_device(ct_tensor t);
bool ct_tensor_requires_grad(ct_tensor t);
bool ct_tensor_is_contiguous(ct_tensor t);
/// How often the tensor was changed in place; -1 for one that was made in inference mode, which does not count.
int64_t ct_tensor_version(ct_tensor t);
/// Marks a tensor as changed, after an operator that does not.
void ct_tensor_bump_version(ct_tensor t);
bool ct_tensor_same_strides(ct_tensor a, ct_tensor b);
ct_status ct_tensor_set_requires_grad(ct_tensor t, bool on);
/// The address of the first element (CPU tensors).
ct_status ct_tensor_data(ct_tensor t, void **out);
ct_status ct_tensor_item(ct_tensor t, double *out);
/// The gradient, or null when there is none.
ct_tensor ct_tensor_grad(ct_tensor t);
/// `gradient` may be null.
ct_status ct_tensor_set_grad(ct_tensor t, ct_tensor gradient);

// Autograd
ct_status ct_backward(ct_tensor root, ct_tensor gradient, bool retain_graph);
/// Gradients of the outputs with respect to the inputs; an input that was not used gives null.
ct_status ct_grad(const ct_tensor *outputs, size_t output_count, const ct_tensor *gradients, const ct_tensor *inputs,
                  size_t input_count, bool retain_graph, bool create_graph, ct_tensor *out);
/// A tensor made of `inputs` by a body that has no graph: its gradient runs the body once more. `parameters` are the
/// leaves that the body uses beside its inputs. `run(context, inputs, count)` borrows its inputs and returns an owned
/// tensor, or null after a failure; `release(context)` is called once, also when this fails.
ct_status ct_recomputed(const ct_tensor *inputs, size_t count, const ct_tensor *parameters, size_t parameter_count,
                        ct_tensor (*run)(void *, const ct_tensor *, size_t), void (*release)(void *), void *context,
                        ct_tensor *out);
bool ct_grad_mode(void);
void ct_set_grad_mode(bool on);
void *ct_inference_mode_enter(bool on);
void ct_inference_mode_leave(void *guard);
/// Autocast to a dtype for a device's type; nests. `before` is for `ct_autocast_leave`.
ct_status ct_autocast_enter(int32_t device, int32_t dtype, void **before);
void ct_autocast_leave(void *before);
/// The modes of this thread (gradients, inference, autocast), for another thread to work in.
void *ct_thread_state(void);
void *ct_thread_state_enter(void *state);
void ct_thread_state_leave(void *guard);
void ct_thread_state_release(void *state);

// Random numbers
ct_status ct_generator_create(int32_t device, uint64_t seed, ct_generator *out);
void ct_generator_release(ct_generator g);
ct_status ct_generator_state(ct_generator g, ct_tensor *out);
ct_status ct_generator_set_state(ct_generator g, ct_tensor state);
ct_status ct_manual_seed(uint64_t seed);

// The machine
void ct_set_threads(int32_t count);
int32_t ct_threads(void);
const char *ct_version(void);
/// Number of devices of a type (1 = cuda, 13 = mps).
int32_t ct_device_count(int32_t type);
/// Waits until all work queued on a device is done.
ct_status ct_synchronize(int32_t device);
ct_status ct_memory(int32_t device, int64_t *allocated, int64_t *peak);
/// Counts, from now on, the memory of CPU tensors that this thread allocates; nests.
ct_status ct_memory_watch_begin(void);
/// The largest sum of it since.
ct_status ct_memory_watch_end(int64_t *peak);
void ct_flush_denormals(bool on);

#ifdef __cplusplus
}
#endif
