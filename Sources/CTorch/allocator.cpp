// Keeps freed CPU memory for the next tensors. libtorch asks malloc for every tensor, and glibc gives blocks above 32 MiB
// back to the system however it is told to keep memory: the system clears each of their pages again at every use, which
// takes a tenth of a large convolution's time.

#include "ctorch.h"

#ifdef __linux__
#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <cstdint>
#include <malloc.h>
#include <mutex>
#include <sys/mman.h>
#include <unordered_map>
#include <vector>

namespace {

constexpr size_t large = 32 << 20; // glibc's largest M_MMAP_THRESHOLD
constexpr size_t page = 4096;

// Serves large blocks from those that were freed, smaller ones by libtorch's own allocator.
class KeepingAllocator final : public c10::Allocator {
  public:
    static KeepingAllocator &shared() {
        static auto *allocator = new KeepingAllocator; // tensors may outlive static objects
        return *allocator;
    }

    c10::DataPtr allocate(size_t bytes) override {
        void *block = bytes < large ? nullptr : take(bytes);
        if (!block) return c10::GetDefaultCPUAllocator()->allocate(bytes);
        c10::profiledCPUMemoryReporter().New(block, bytes);
        return {block, block, &release, c10::Device(c10::DeviceType::CPU)};
    }

    c10::DeleterFnPtr raw_deleter() const override { return &release; }

    void copy_data(void *to, const void *from, size_t bytes) const override { default_copy_data(to, from, bytes); }

  private:
    struct Block {
        void *address;
        size_t bytes;
    };

    std::mutex mutex;
    std::unordered_map<void *, size_t> used;
    std::vector<Block> kept; // the longest unused first
    size_t usedBytes = 0, keptBytes = 0, mostUsedBytes = 0;

    // A block of at least so many bytes, or null where the system has none.
    void *take(size_t bytes) {
        if (bytes > SIZE_MAX / 2) return nullptr;
        bytes = (bytes + page - 1) / page * page;
        std::lock_guard lock(mutex);
        auto best = kept.end();
        for (auto block = kept.begin(); block != kept.end(); ++block) {
            if (block->bytes >= bytes && block->bytes <= bytes + bytes / 4
                && (best == kept.end() || block->bytes <= best->bytes))
                best = block;
        }
        Block block{nullptr, bytes};
        if (best != kept.end()) {
            block = *best;
            kept.erase(best);
            keptBytes -= block.bytes;
        } else {
            // What is kept never takes more memory than large tensors once did together.
            trim(std::max(mostUsedBytes, usedBytes + bytes) - bytes);
            block.address = mapped(bytes);
            if (!block.address) {
                trim(0);
                block.address = mapped(bytes);
            }
            if (!block.address) return nullptr;
        }
        used[block.address] = block.bytes;
        usedBytes += block.bytes;
        mostUsedBytes = std::max(mostUsedBytes, usedBytes);
        return block.address;
    }

    // Gives the longest unused blocks back until no more than so many bytes are used and kept.
    void trim(size_t bytes) {
        auto block = kept.begin();
        for (; block != kept.end() && usedBytes + keptBytes > bytes; ++block) {
            munmap(block->address, block->bytes);
            keptBytes -= block->bytes;
        }
        kept.erase(kept.begin(), block);
    }

    // New memory, of huge pages where they fit; or null.
    static void *mapped(size_t bytes) {
        void *address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (address == MAP_FAILED) return nullptr;
        madvise(address, bytes, MADV_HUGEPAGE);
        return address;
    }

    static void release(void *address) {
        if (!address) return;
        if (!shared().keep(address)) {
            c10::GetDefaultCPUAllocator()->raw_deallocate(address);
        }
    }

    // Whether the block was one of these.
    bool keep(void *address) {
        {
            std::lock_guard lock(mutex);
            auto found = used.find(address);
            if (found == used.end()) return false;
            kept.push_back({address, found->second});
            keptBytes += found->second;
            usedBytes -= found->second;
            used.erase(found);
        }
        c10::profiledCPUMemoryReporter().Delete(address);
        return true;
    }
};

} // namespace

void ct_keep_freed_memory(void) {
    mallopt(M_MMAP_THRESHOLD, large);
    mallopt(M_TRIM_THRESHOLD, INT32_MAX);
    c10::SetCPUAllocator(&KeepingAllocator::shared());
}
#else
void ct_keep_freed_memory(void) {}
#endif
