#pragma once

#if defined(__x86_64__) && defined(__linux__)
inline bool hasAVX512() {
    static const bool found = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
    return found;
}

// Whether MKL multiplies with narrower vectors than the processor has.
inline bool multipliesNarrowly() { return hasAVX512() && !__builtin_cpu_is("intel"); }
#else
inline bool multipliesNarrowly() { return false; }
#endif
