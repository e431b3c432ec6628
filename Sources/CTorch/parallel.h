#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <latch>

// Has body(begin, end) called for parts of 0 ..< count on as many threads as libtorch's operators use. at::parallel_for does
// not in files that are compiled without libtorch's own OpenMP, as these are. `body` must not throw.
template <typename Body> void parallelFor(int64_t count, const Body &body) {
    const int64_t threads = std::min<int64_t>(count, at::in_parallel_region() ? 1 : at::get_num_threads());
    if (threads <= 1) return body(0, count);
    auto part = [&](int64_t number) { body(count * number / threads, count * (number + 1) / threads); };
    std::latch others(threads - 1);
    for (int64_t number = 1; number < threads; number++)
        at::launch([&, number] {
            part(number);
            others.count_down();
        });
    part(0);
    others.wait();
}
