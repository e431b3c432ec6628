// Keeps freed CPU memory for the next tensors. libtorch asks malloc for every tensor, and glibc gives blocks above 32 MiB
// back to the system however it is told to keep memory: the system clears each of their pages again at every use, which
// takes a tenth of a large convolution's time.

#include "ckernels.h"

#ifdef __linux__
#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <malloc.h>
#include <map>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>
#include <unordered_map>

namespace {

constexpr size_t large = 32 << 20; // glibc's largest M_MMAP_THRESHOLD
const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));

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
    std::mutex mutex;
    std::unordered_map<char *, size_t> used;
    std::map<char *, size_t> kept; // no two of them side by side
    size_t usedBytes = 0, keptBytes = 0, mostUsedBytes = 0;

    // A block of so many bytes, or null where the system has none.
    void *take(size_t bytes) {
        if (bytes > SIZE_MAX / 2) return nullptr;
        bytes = (bytes + page - 1) / page * page;
        std::lock_guard lock(mutex);
        char *address = fromKept(bytes);
        if (!address) {
            // What is kept never takes more memory than large tensors once did together.
            trim(std::max(mostUsedBytes, usedBytes + bytes) - bytes);
            address = mapped(bytes);
            if (!address) {
                trim(0);
                address = mapped(bytes);
            }
            if (!address) return nullptr;
        }
        used[address] = bytes;
        usedBytes += bytes;
        mostUsedBytes = std::max(mostUsedBytes, usedBytes);
        return address;
    }

    // The front of the smallest kept block that is large enough; or null.
    char *fromKept(size_t bytes) {
        auto best = kept.end();
        for (auto block = kept.begin(); block != kept.end(); ++block)
            if (block->second >= bytes && (best == kept.end() || block->second < best->second)) best = block;
        if (best == kept.end()) return nullptr;
        const auto [address, size] = *best;
        kept.erase(best);
        if (size > bytes) kept[address + bytes] = size - bytes;
        keptBytes -= bytes;
        return address;
    }

    // Gives kept memory back, the smallest blocks first, until no more than so many bytes are used and kept.
    void trim(size_t bytes) {
        while (!kept.empty() && usedBytes + keptBytes > bytes) {
            auto smallest = std::min_element(
                kept.begin(), kept.end(), [](const auto &a, const auto &b) { return a.second < b.second; });
            munmap(smallest->first, smallest->second);
            keptBytes -= smallest->second;
            kept.erase(smallest);
        }
    }

    // New memory, of huge pages where they fit; or null.
    static char *mapped(size_t bytes) {
        void *address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (address == MAP_FAILED) return nullptr;
        madvise(address, bytes, MADV_HUGEPAGE);
        return static_cast<char *>(address);
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
            auto found = used.find(static_cast<char *>(address));
            if (found == used.end()) return false;
            usedBytes -= found->second;
            keptBytes += found->second;
            auto block = kept.insert(*found).first;
            used.erase(found);
            // One with its neighbours, wherever they were mapped: the system unmaps such ranges, too.
            if (auto next = std::next(block); next != kept.end() && block->first + block->second == next->first) {
                block->second += next->second;
                kept.erase(next);
            }
            if (block != kept.begin()) {
                auto before = std::prev(block);
                if (before->first + before->second == block->first) {
                    before->second += block->second;
                    kept.erase(block);
                }
            }
        }
        c10::profiledCPUMemoryReporter().Delete(address);
        return true;
    }
};

} // namespace

void ck_keep_freed_memory(void) {
    mallopt(M_MMAP_THRESHOLD, large);
    mallopt(M_TRIM_THRESHOLD, INT32_MAX);
    c10::SetCPUAllocator(&KeepingAllocator::shared());
}
#else
void ck_keep_freed_memory(void) {}
#endif
