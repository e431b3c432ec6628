#pragma once

#include <ATen/ATen.h>
#include <ATen/TensorIterator.h>

// Has body(begin, end) called for parts of 0 ..< count, on the threads that libtorch's operators use: others beside them would
// have to share cores with those that wait. at::parallel_for does not in files that are compiled without libtorch's own
// OpenMP, as these are; an iterator's loop does, over one byte a number here. `body` must not throw.
template <typename Body> void parallelFor(int64_t count, const Body &body) {
    if (count <= 1) return body(0, count);
    auto numbers = at::empty({count}, at::kByte);
    const auto *first = static_cast<const char *>(numbers.const_data_ptr());
    at::TensorIterator::nullary_op(numbers).for_each(
        [&](char **data, const int64_t *, int64_t size) { body(data[0] - first, data[0] - first + size); }, 1);
}
