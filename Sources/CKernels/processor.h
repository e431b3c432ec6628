#pragma once

#if defined(__x86_64__) && defined(__linux__)
inline bool hasAVX512() {
    static const bool found = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
    return found;
}

// Whether it multiplies pairs of bfloat16: oneDNN's matrices, and ours.
inline bool hasBFloat16() {
    static const bool found = hasAVX512() && __builtin_cpu_supports("avx512bf16");
    return found;
}

// Whether MKL multiplies with narrower vectors than the processor has.
inline bool multipliesNarrowly() { return hasAVX512() && !__builtin_cpu_is("intel"); }
#else
inline bool hasBFloat16() { return false; }
inline bool multipliesNarrowly() { return false; }
#endif
