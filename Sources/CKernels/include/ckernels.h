// Operators of our own, which libtorch's dispatcher finds as `domainfusion::…` once this is linked: norms with their
// activations, attention, depthwise convolutions, linear layers. And an allocator for their memory.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/// Has freed CPU memory kept for the next tensors, on Linux; nothing elsewhere.
void ck_keep_freed_memory(void);

#ifdef __cplusplus
}
#endif
