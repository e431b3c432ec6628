// Processes that train together, over c10d.
#pragma once
#include "ctorch.h"

#ifdef __cplusplus
extern "C" {
#endif

/// A connection to the table that processes share. Closed with ct_store_close.
typedef struct ct_store_opaque *ct_store;
/// A process among others. Left with ct_group_leave.
typedef struct ct_group_opaque *ct_group;
/// What averages gradients while they are computed. Freed with ct_reducer_release.
typedef struct ct_reducer_opaque *ct_reducer;

/// Connects to the table at host:port, which is held by the process that `serves`; its keys begin with `prefix`.
ct_status ct_store_open(const char *host, int32_t port, bool serves, const char *prefix, double seconds, ct_store *out);
void ct_store_close(ct_store store);
/// Adds to a number, 0 at first, and gives the sum.
ct_status ct_store_add(ct_store store, const char *key, int64_t value, int64_t *out);

/// Joins a group of `size` processes, waiting for the others; messages go by the network that leads to host:port. A message
/// that takes longer than `seconds` is an error.
ct_status ct_group_join(ct_store store, const char *host, int32_t port, int32_t rank, int32_t size, double seconds,
                        ct_group *out);
void ct_group_leave(ct_group group);
/// What operators that take the name of a group find it by; valid until it is left.
const char *ct_group_name(ct_group group);
/// Replaces a contiguous tensor by its sum over the processes.
ct_status ct_group_sum(ct_group group, ct_tensor tensor);
/// Replaces a contiguous tensor by that of the first process.
ct_status ct_group_broadcast(ct_group group, ct_tensor tensor);

/// Has the gradients of leaves be their mean over the processes after each backward that was prepared.
ct_status ct_reducer_create(ct_group group, const ct_tensor *parameters, size_t count, ct_reducer *out);
void ct_reducer_release(ct_reducer reducer);
/// To be called between a forward pass and its backward.
ct_status ct_reducer_prepare(ct_reducer reducer);

#ifdef __cplusplus
}
#endif
