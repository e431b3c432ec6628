// Processes that train together: c10d's store, its collectives over gloo, and its reduction of gradients.

#include "boundary.h"
#include "distributed.h"

#define USE_C10D_GLOO
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <torch/csrc/distributed/c10d/GroupRegistry.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct ct_store_opaque {
    c10::intrusive_ptr<c10d::Store> store;
};

struct ct_group_opaque {
    c10::intrusive_ptr<c10d::ProcessGroup> group;
    // By which operators find it.
    std::string name;
};

struct ct_reducer_opaque {
    std::unique_ptr<c10d::Reducer> reducer;
};

namespace {

std::chrono::milliseconds milliseconds(double seconds) {
    return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

// The address of this machine that the other one sees; nothing is sent to find it out.
std::string address_towards(const std::string &host, int32_t port) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_DGRAM;
    TORCH_CHECK(getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) == 0, "no host is called ", host);
    std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> all(found, freeaddrinfo);
    for (auto *each = found; each; each = each->ai_next) {
        int file = socket(each->ai_family, each->ai_socktype, 0);
        if (file < 0) continue;
        sockaddr_storage own{};
        socklen_t size = sizeof own;
        char name[NI_MAXHOST] = "";
        bool is_known = connect(file, each->ai_addr, each->ai_addrlen) == 0 &&
                        getsockname(file, reinterpret_cast<sockaddr *>(&own), &size) == 0 &&
                        getnameinfo(reinterpret_cast<sockaddr *>(&own), size, name, sizeof name, nullptr, 0,
                                    NI_NUMERICHOST) == 0;
        close(file);
        if (is_known) return name;
    }
    TORCH_CHECK(false, "no network leads to ", host);
}

void sum(c10d::ProcessGroup &group, at::Tensor tensor) {
    std::vector<at::Tensor> tensors{tensor};
    group.allreduce(tensors)->wait();
}

template <typename Handle> void release(Handle *handle) {
    // A connection that is lost already may say so once more.
    try {
        delete handle;
    } catch (...) {
    }
}

} // namespace

ct_status ct_store_open(const char *host, int32_t port, bool serves, const char *prefix, double seconds, ct_store *out) {
    return guarded([&] {
        c10d::TCPStoreOptions options;
        options.port = static_cast<uint16_t>(port);
        options.isServer = serves;
        options.waitWorkers = false;
        options.timeout = milliseconds(seconds);
        auto store = c10::make_intrusive<c10d::TCPStore>(std::string(host), options);
        *out = new ct_store_opaque{c10::make_intrusive<c10d::PrefixStore>(std::string(prefix), store)};
    });
}

void ct_store_close(ct_store store) { release(store); }

ct_status ct_store_add(ct_store store, const char *key, int64_t value, int64_t *out) {
    return guarded([&] { *out = store->store->add(key, value); });
}

ct_status ct_group_join(ct_store store, const char *host, int32_t port, int32_t rank, int32_t size, double seconds,
                        ct_group *out) {
    return guarded([&] {
        auto options = c10d::ProcessGroupGloo::Options::create(milliseconds(seconds));
        options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(address_towards(host, port)));
        auto gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(store->store, rank, size, options);
        auto group = c10::make_intrusive<c10d::ProcessGroup>(store->store, rank, size);
        group->setBackend(c10::DeviceType::CPU, c10d::ProcessGroup::BackendType::GLOO, gloo);
        group->setBackend(c10::DeviceType::CUDA, c10d::ProcessGroup::BackendType::GLOO, gloo);
        group->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
        static std::atomic<int64_t> joined{0};
        auto name = "domainfusion-" + std::to_string(joined++);
        c10d::register_process_group(name, group);
        *out = new ct_group_opaque{group, name};
    });
}

void ct_group_leave(ct_group group) {
    c10d::unregister_process_group(group->name);
    release(group);
}

const char *ct_group_name(ct_group group) { return group->name.c_str(); }

ct_status ct_group_sum(ct_group group, ct_tensor tensor) {
    return guarded([&] { sum(*group->group, borrow(tensor)); });
}

ct_status ct_group_broadcast(ct_group group, ct_tensor tensor) {
    return guarded([&] {
        std::vector<at::Tensor> tensors{borrow(tensor)};
        group->group->broadcast(tensors)->wait();
    });
}

ct_status ct_reducer_create(ct_group group, const ct_tensor *parameters, size_t count, ct_reducer *out) {
    return guarded([&] {
        // PyTorch's DistributedDataParallel: a small bucket first, so that sending begins early.
        constexpr size_t first = 1 << 20, each = 25 << 20;
        std::vector<at::Tensor> leaves;
        for (size_t i = 0; i < count; i++) leaves.push_back(borrow(parameters[i]));
        std::vector<bool> sparse(count, false);
        auto [buckets, limits] = c10d::compute_bucket_assignment_by_size(leaves, {first, each}, sparse, {}, std::nullopt);
        // Gradients come in the opposite order of the layers.
        std::reverse(buckets.begin(), buckets.end());
        std::vector<int64_t> sizes(limits.rbegin(), limits.rend());
        *out = new ct_reducer_opaque{std::make_unique<c10d::Reducer>(
            leaves, buckets, group->group, sparse, each, /*find_unused_parameters=*/false,
            /*gradient_as_bucket_view=*/false, std::unordered_map<size_t, std::string>(), first,
            /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false, sizes)};
    });
}

void ct_reducer_release(ct_reducer reducer) { release(reducer); }

ct_status ct_reducer_prepare(ct_reducer reducer) {
    return guarded([&] {
        reducer->reducer->rebuild_buckets();
        reducer->reducer->prepare_for_backward({});
    });
}
