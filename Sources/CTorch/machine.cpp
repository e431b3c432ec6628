// Threads, devices and their memory.

#include "boundary.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <torch/version.h>

#include <algorithm>
#include <memory>
#include <unordered_map>

namespace {

// Adds up what libtorch's CPU allocator reports to a profiler.
struct MemoryWatch : c10::MemoryReportingInfoBase {
    int64_t now = 0, peak = 0;
    // What was allocated since: what is freed may be older.
    std::unordered_map<void *, int64_t> held;

    void reportMemoryUsage(void *block, int64_t size, size_t, size_t, c10::Device where) override {
        if (!where.is_cpu()) return;
        if (size > 0) {
            held[block] = size;
            now += size;
            peak = std::max(peak, now);
        } else if (auto found = held.find(block); found != held.end()) {
            now -= found->second;
            held.erase(found);
        }
    }
    bool memoryProfilingEnabled() const override { return true; }
};

} // namespace

void ct_set_threads(int32_t count) { at::set_num_threads(count); }
int32_t ct_threads(void) { return at::get_num_threads(); }
const char *ct_version(void) { return TORCH_VERSION; }

int32_t ct_device_count(int32_t type) {
    try {
        auto &context = at::globalContext();
        switch (static_cast<c10::DeviceType>(type)) {
        case c10::DeviceType::CPU:
            return 1;
        case c10::DeviceType::CUDA:
            return context.hasCUDA() ? static_cast<int32_t>(at::getNumGPUs()) : 0;
        case c10::DeviceType::MPS:
            return context.hasMPS() ? 1 : 0;
        default:
            return 0;
        }
    } catch (...) {
        return 0;
    }
}

ct_status ct_synchronize(int32_t where) {
    return guarded([&] {
        auto target = device(where);
        if (!target.is_cpu()) at::accelerator::synchronizeDevice(target.has_index() ? target.index() : 0);
    });
}

ct_status ct_memory(int32_t where, int64_t *allocated, int64_t *peak) {
    return guarded([&] {
        *allocated = 0;
        *peak = 0;
        auto target = device(where);
        if (target.is_cpu()) return;
        auto stats = at::accelerator::getDeviceStats(target.has_index() ? target.index() : 0);
        *allocated = stats.allocated_bytes[0].current;
        *peak = stats.allocated_bytes[0].peak;
    });
}

ct_status ct_memory_watch_begin(void) {
    return guarded([&] {
        c10::ThreadLocalDebugInfo::_push(c10::DebugInfoKind::PROFILER_STATE, std::make_shared<MemoryWatch>());
    });
}

ct_status ct_memory_watch_end(int64_t *peak) {
    *peak = 0;
    return guarded([&] {
        auto watch = c10::ThreadLocalDebugInfo::_pop(c10::DebugInfoKind::PROFILER_STATE);
        *peak = std::static_pointer_cast<MemoryWatch>(watch)->peak;
    });
}

void ct_flush_denormals(bool on) { at::globalContext().setFlushDenormal(on); }
