// Operators of our own, which libtorch's dispatcher finds as `domainfusion::…` once this is linked: norms with their
// activations, attention, depthwise convolutions, linear layers. And an allocator for their memory.
#pragma once

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Has freed CPU memory kept for the next tensors, on Linux; nothing elsewhere.
void ck_keep_freed_memory(void);

/// Whether the processor has instructions for products in bfloat16 (AVX-512-BF16).
bool ck_has_bfloat16(void);

#ifdef __cplusplus
}
#endif
