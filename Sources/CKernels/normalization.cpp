// Batch norm in training and group norm with what follows them, a residual and an activation, on a CPU in float32 and
// channels-last: fewer passes over the maps than by libtorch's operators, and as a rule nothing kept for the gradient but the
// norm's input. Batch norm is group norm of one item, the whole batch, with as many groups as channels.

#include "normalization.h"
#include "parallel.h"
#include "rows.h"

#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/distributed/c10d/GroupRegistry.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::CppNode;
using torch::autograd::variable_list;

using namespace rows;

at::Tensor byLibtorch(const at::Tensor &x, Activation activation) {
    if (activation.silu) return at::silu(x);
    if (activation.isIdentity()) return x;
    const bool isReLU = activation.highest == infinity && activation.lowest == 0;
    return isReLU ? at::relu(x) : at::hardtanh(x, activation.lowest, activation.highest);
}

// Items of rows of channels, each with statistics of its own for every group of channels.
struct Layout {
    int64_t items, rows, channels, groups, parts;

    // - Parameter groups: 0 for batch norm.
    Layout(const at::Tensor &x, int64_t groups) {
        const auto images = x.size(0), places = x.size(2) * x.size(3);
        channels = x.size(1);
        this->groups = groups > 0 ? groups : channels;
        items = groups > 0 ? images : 1;
        rows = images * places / items;
        // Of each item, one thread's work: the same for any number of threads.
        parts = std::clamp<int64_t>(rows / (2 * block), 1, std::max<int64_t>(1, 64 / items));
    }

    int64_t width() const { return channels / groups; }

    // body(part, item, offset of the part's first number, rows) for all parts of all items.
    template <typename Body> void forParts(const Body &body) const {
        parallelFor(items * parts, [&](int64_t begin, int64_t end) {
            for (int64_t number = begin; number < end; number++) {
                const int64_t item = number / parts, part = number % parts;
                const int64_t first = rows * part / parts;
                body(number, item, (item * rows + first) * channels, rows * (part + 1) / parts - first);
            }
        });
    }
};

at::Tensor activated(
    const at::Tensor &x, const at::Tensor &scale, const at::Tensor &shift, const Layout &layout, Activation activation,
    const at::Tensor &residual) {
    auto y = at::empty_like(x);
    auto data = [](const at::Tensor &tensor) { return tensor.const_data_ptr<float>(); };
    const auto *in = data(x), *by = data(scale), *to = data(shift);
    const auto *added = residual.defined() ? residual.const_data_ptr<float>() : nullptr;
    auto *out = y.mutable_data_ptr<float>();
    layout.forParts([&](int64_t, int64_t item, int64_t offset, int64_t rows) {
        const auto own = item * layout.channels;
        if (added)
            activate(in + offset, added + offset, out + offset, by + own, to + own, activation, rows, layout.channels);
        else
            activate(in + offset, out + offset, by + own, to + own, activation, rows, layout.channels);
    });
    return y;
}

// Of each group of each item.
std::vector<Moments> statistics(const at::Tensor &x, const Layout &layout) {
    const auto channels = layout.channels;
    std::vector<Moments> moments(layout.items * layout.parts * channels);
    std::vector<float> floats(layout.items * layout.parts * 3 * channels);
    const auto *in = x.const_data_ptr<float>();
    layout.forParts([&](int64_t part, int64_t, int64_t offset, int64_t rows) {
        addMoments(
            in + offset, rows, channels, floats.data() + part * 3 * channels, moments.data() + part * channels);
    });
    std::vector<Moments> groups(layout.items * layout.groups);
    for (int64_t item = 0; item < layout.items; item++)
        for (int64_t part = 0; part < layout.parts; part++)
            for (int64_t c = 0; c < channels; c++)
                groups[item * layout.groups + c / layout.width()].merge(
                    moments[(item * layout.parts + part) * channels + c]);
    return groups;
}

// Replaces numbers by their sums over the processes of a group; an empty name is one process alone. Each sends its own to all,
// which for so few is quicker than a reduction (PyTorch's SyncBatchNorm does it, too).
void sum(const at::Tensor &numbers, const std::string &group) {
    const auto processes = c10d::resolve_process_group(group);
    auto all = at::empty({processes->getSize(), numbers.numel()}, numbers.options());
    auto own = numbers.reshape({1, -1});
    processes->all_gather_single(all, own)->wait();
    numbers.copy_(all.sum(0).view_as(numbers));
}

void sum(double *numbers, size_t count, const std::string &group) {
    if (group.empty()) return;
    sum(at::from_blob(numbers, {static_cast<int64_t>(count)}, at::kDouble), group);
}

// The moments of the images of all processes, of each process's own.
void merge(std::vector<Moments> &own, const std::string &group) {
    if (group.empty()) return;
    // In double precision, where a mean that is far from 0 takes no digits of the variance.
    std::vector<double> sums{static_cast<double>(own.front().count)};
    for (const auto &each : own) {
        sums.push_back(each.mean * each.count);
        sums.push_back(each.squares + each.mean * each.mean * each.count);
    }
    sum(sums.data(), sums.size(), group);
    for (size_t c = 0; c < own.size(); c++) {
        own[c].count = sums[0];
        own[c].mean = sums[1 + 2 * c] / sums[0];
        own[c].squares = std::max(0.0, sums[2 + 2 * c] - own[c].mean * sums[1 + 2 * c]);
    }
}

using Running = std::optional<at::Tensor>;

// Moves batch norm's running statistics, of which the variance is the unbiased one, to the batch's.
void update(
    const Running &runningMean, const Running &runningVariance, const std::vector<Moments> &batch, double momentum) {
    auto move = [&](const Running &running, auto value) {
        if (!running) return;
        auto values = at::empty(running->sizes(), at::kFloat);
        for (size_t c = 0; c < batch.size(); c++)
            values.mutable_data_ptr<float>()[c] = static_cast<float>(value(batch[c]));
        running->mul_(1 - momentum).add_(values, momentum);
    };
    move(runningMean, [](const Moments &moments) { return moments.mean; });
    move(runningVariance, [](const Moments &moments) { return moments.squares / (moments.count - 1); });
}

// The sum over processes, whose gradient is the sum of theirs.
struct Summed : torch::autograd::Function<Summed> {
    static at::Tensor forward(AutogradContext *context, const at::Tensor &x, const std::string &group) {
        context->saved_data["group"] = group;
        auto result = x.clone();
        sum(result, group);
        return result;
    }

    static variable_list backward(AutogradContext *context, variable_list gradients) {
        return {apply(gradients[0].contiguous(), context->saved_data["group"].toStringRef()), {}};
    }
};

// Batch norm over the images of several processes by libtorch's operators: on any device, in any precision, and with gradients
// that have gradients.
at::Tensor overProcesses(
    const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias, const Running &runningMean,
    const Running &runningVariance, double momentum, double epsilon, const std::string &group) {
    const auto channels = x.size(1);
    const auto own = static_cast<double>(x.numel() / channels);
    auto byChannel = [&](const at::Tensor &values) { return values.to(x.scalar_type()).view({1, channels, 1, 1}); };
    const auto ownMean = x.mean({0, 2, 3});
    const auto ownVariance = (x - byChannel(ownMean)).square().mean({0, 2, 3});
    const auto exact = ownMean.to(at::kDouble);
    const auto sums = Summed::apply(
        own * at::cat({exact, ownVariance.to(at::kDouble) + exact.square(), at::ones({1}, exact.options())}), group);
    const auto count = sums.narrow(0, 2 * channels, 1);
    const auto mean = sums.narrow(0, 0, channels) / count;
    const auto variance = sums.narrow(0, channels, channels) / count - mean.square();
    {
        at::NoGradGuard guard;
        auto move = [&](const Running &running, const at::Tensor &value) {
            if (running) running->mul_(1 - momentum).add_(value.to(running->scalar_type()), momentum);
        };
        move(runningMean, mean);
        move(runningVariance, variance * (count / (count - 1)));
    }
    return (x - byChannel(mean)) * (byChannel(weight) / byChannel((variance + epsilon).sqrt())) + byChannel(bias);
}

struct Norm : torch::autograd::Function<Norm> {
    // What is saved, in this order. The last, where there is a residual, is the residual if it is kept anyway; then the
    // output can be computed again. If not, it is the output.
    enum { input, weight, bias, mean, inverse, scale, shift, added };

    // - Parameters:
    //   - groups: 0 for batch norm.
    //   - processes: the group over whose images batch norm takes its statistics; empty for one process alone.
    static at::Tensor forward(
        AutogradContext *context, const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias,
        const Running &runningMean, const Running &runningVariance, double momentum, double epsilon, int64_t groups, double lowest, double highest, bool silu,
        const std::optional<at::Tensor> &residual, const std::string &processes) {
        const bool keepsOutput = residual && saved_input::isComputedAgain(*residual);
        auto &settings = context->saved_data;
        settings["norm.epsilon"] = epsilon;
        settings["norm.groups"] = groups;
        settings["norm.lowest"] = lowest;
        settings["norm.highest"] = highest;
        settings["norm.silu"] = silu;
        settings["norm.keepsOutput"] = keepsOutput;
        settings["norm.processes"] = processes;
        const Layout layout(x, groups);
        auto moments = statistics(x, layout);
        if (groups == 0) {
            merge(moments, processes);
            TORCH_CHECK(
                moments.front().count > 1, "batch norm needs more than one value a channel in training, not images ", x.sizes());
            update(runningMean, runningVariance, moments, momentum);
        }
        // Each item's channels.
        auto row = [&] { return at::empty({layout.items, layout.channels}, x.options()); };
        auto mean = row(), inverse = row(), scale = row(), shift = row();
        const auto *weights = weight.const_data_ptr<float>(), *biases = bias.const_data_ptr<float>();
        for (int64_t i = 0; i < mean.numel(); i++) {
            const int64_t c = i % layout.channels;
            const auto &own = moments[i / layout.width()];
            const double inverted = 1 / std::sqrt(own.squares / own.count + epsilon);
            mean.mutable_data_ptr<float>()[i] = static_cast<float>(own.mean);
            inverse.mutable_data_ptr<float>()[i] = static_cast<float>(inverted);
            scale.mutable_data_ptr<float>()[i] = static_cast<float>(weights[c] * inverted);
            shift.mutable_data_ptr<float>()[i] = static_cast<float>(biases[c] - own.mean * weights[c] * inverted);
        }
        const auto y = activated(x, scale, shift, layout, activation(context), residual.value_or(at::Tensor()));
        settings["norm.count"] = static_cast<double>(moments.front().count);
        variable_list saved{x, weight, bias, mean, inverse, scale, shift};
        if (residual) saved.push_back(keepsOutput ? y : *residual);
        context->save_for_backward(saved);
        return y;
    }

    static Activation activation(AutogradContext *context) {
        auto number = [&](const char *name) { return static_cast<float>(context->saved_data[name].toDouble()); };
        return {number("norm.lowest"), number("norm.highest"), context->saved_data["norm.silu"].toBool()};
    }

    static int64_t groups(AutogradContext *context) { return context->saved_data["norm.groups"].toInt(); }

    static std::string processes(AutogradContext *context) {
        return context->saved_data["norm.processes"].toStringRef();
    }

    static variable_list backward(AutogradContext *context, variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto [ofInput, ofWeight, ofBias, ofResidual] = at::GradMode::is_enabled()
            ? differentiable(context, saved, gradients[0])
            : own(context, saved, gradients[0].contiguous(at::MemoryFormat::ChannelsLast));
        return {ofInput, ofWeight, ofBias, {}, {}, {}, {}, {}, {}, {}, {}, ofResidual, {}};
    }

    using Gradients = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

    static Gradients own(AutogradContext *context, const variable_list &saved, at::Tensor gradient) {
        const auto &x = saved[input];
        const Layout layout(x, groups(context));
        auto activation = Norm::activation(context);
        at::Tensor ofResidual;
        if (saved.size() > added) {
            // The residual's gradient is that before the activation: computed first, and for all.
            if (!activation.isIdentity()) {
                const auto y = context->saved_data["norm.keepsOutput"].toBool()
                    ? saved[added]
                    : activated(x, saved[scale], saved[shift], layout, activation, saved[added]);
                gradient = activation.highest == infinity
                    ? at::threshold_backward(gradient, y, activation.lowest)
                    : at::hardtanh_backward(gradient, y, activation.lowest, activation.highest);
            }
            activation = {-infinity, infinity, false};
            ofResidual = gradient;
        }
        const auto channels = layout.channels;
        const auto *in = x.const_data_ptr<float>(), *seed = gradient.const_data_ptr<float>();
        auto by = [&](int64_t item) {
            auto data = [&](const at::Tensor &tensor) { return tensor.const_data_ptr<float>() + item * channels; };
            return Channels{data(saved[scale]), data(saved[shift]), data(saved[mean])};
        };

        const auto numbers = layout.items * layout.parts * 2 * channels;
        std::vector<double> sums(numbers);
        std::vector<float> floats(numbers);
        layout.forParts([&](int64_t part, int64_t item, int64_t offset, int64_t rows) {
            const auto own = part * 2 * channels;
            sumGradients(
                in + offset, seed + offset, by(item), activation, rows, channels, floats.data() + own,
                sums.data() + own);
        });

        // Of scale and shift, and what the statistics' part in the input's gradient is made of.
        std::vector<double> ofScale(channels), ofShift(channels);
        std::vector<float> plain(layout.items * channels), product(layout.items * channels);
        const auto count = context->saved_data["norm.count"].toDouble();
        const auto *weights = saved[weight].const_data_ptr<float>();
        for (int64_t item = 0; item < layout.items; item++) {
            auto *first = sums.data() + item * layout.parts * 2 * channels;
            for (int64_t part = 1; part < layout.parts; part++)
                for (int64_t i = 0; i < 2 * channels; i++) first[i] += first[part * 2 * channels + i];
            const auto *inverted = saved[inverse].const_data_ptr<float>() + item * channels;
            for (int64_t c = 0; c < channels; c++) {
                ofShift[c] += first[c];
                ofScale[c] += first[channels + c] * inverted[c];
            }
            // Of several processes each has the parameters' gradients of its own images, but the statistics are of all.
            sum(first, 2 * channels, processes(context));
            const auto width = layout.width();
            for (int64_t begin = 0; begin < channels; begin += width) {
                double all = 0, products = 0;
                for (int64_t c = begin; c < begin + width; c++) {
                    all += weights[c] * first[c];
                    products += weights[c] * first[channels + c];
                }
                const double unit = inverted[begin];
                std::fill_n(plain.data() + item * channels + begin, width, static_cast<float>(all * unit / count));
                std::fill_n(
                    product.data() + item * channels + begin, width,
                    static_cast<float>(products * unit * unit * unit / count));
            }
        }
        auto toTensor = [&](const std::vector<double> &values) {
            auto tensor = at::empty_like(saved[weight]);
            std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<float>());
            return tensor;
        };
        at::Tensor ofInput;
        if (context->needs_input_grad(0)) {
            ofInput = at::empty_like(x);
            auto *out = ofInput.mutable_data_ptr<float>();
            layout.forParts([&](int64_t, int64_t item, int64_t offset, int64_t rows) {
                inputGradient(
                    in + offset, seed + offset, out + offset, by(item), plain.data() + item * channels,
                    product.data() + item * channels, activation, rows, channels);
            });
        }
        return {ofInput, toTensor(ofScale), toTensor(ofShift), ofResidual};
    }

    // By libtorch's operators, whose gradients have gradients.
    static Gradients differentiable(
        AutogradContext *context, const variable_list &saved, const at::Tensor &gradient) {
        const auto activation = Norm::activation(context);
        const auto epsilon = context->saved_data["norm.epsilon"].toDouble();
        // Aliases: the gradient stops here, though the input may have come from the same weight.
        auto leaf = [](const at::Tensor &tensor) {
            return tensor.requires_grad() ? tensor.view_as(tensor) : tensor.detach().requires_grad_();
        };
        const variable_list inputs{leaf(saved[input]), leaf(saved[weight]), leaf(saved[bias])};
        auto normed = [&] {
            if (groups(context) > 0) return at::group_norm(inputs[0], groups(context), inputs[1], inputs[2], epsilon);
            if (processes(context).empty())
                return at::batch_norm(inputs[0], inputs[1], inputs[2], {}, {}, true, 0, epsilon, true);
            return overProcesses(inputs[0], inputs[1], inputs[2], {}, {}, 0, epsilon, processes(context));
        };
        const auto value = normed();
        if (saved.size() == added) {
            const auto found = torch::autograd::grad({byLibtorch(value, activation)}, inputs, {gradient}, std::nullopt, true);
            return {found[0], found[1], found[2], {}};
        }
        // A residual's activation is a clamp: the same places of the gradient, wherever they lie.
        const auto y =
            context->saved_data["norm.keepsOutput"].toBool() ? saved[added] : byLibtorch(value + saved[added], activation);
        const auto passes = y.gt(activation.lowest).logical_and_(y.lt(activation.highest));
        const auto before = gradient * passes;
        const auto found = torch::autograd::grad({value}, inputs, {before}, std::nullopt, true);
        return {found[0], found[1], found[2], before};
    }
};

// Whether x is for the kernels above.
bool isOwn(const at::Tensor &x) {
    return x.device().is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 4 && x.numel() > 0
        && x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

bool takesOwn(const at::Tensor &x, const std::optional<at::Tensor> &weight, const std::optional<at::Tensor> &bias) {
    auto fits = [&](const std::optional<at::Tensor> &tensor) {
        return tensor && tensor->device().is_cpu() && tensor->scalar_type() == at::kFloat && tensor->is_contiguous()
            && tensor->dim() == 1 && tensor->numel() == x.size(1);
    };
    return isOwn(x) && fits(weight) && fits(bias) && !at::autocast::is_autocast_enabled(at::kCPU);
}

at::Tensor batchNorm(
    const at::Tensor &x, const std::optional<at::Tensor> &weight, const std::optional<at::Tensor> &bias,
    const Running &runningMean, const Running &runningVariance, bool training, double momentum, double epsilon,
    double lowest, double highest, const std::optional<at::Tensor> &residual, const std::string &processes) {
    auto fits = [&](const Running &running) {
        return !running || (running->device().is_cpu() && running->dim() == 1 && running->numel() == x.size(1));
    };
    const bool residualFits = !residual || (isOwn(*residual) && residual->sizes() == x.sizes());
    // What does not fit is libtorch's to refuse.
    if (training && residualFits && takesOwn(x, weight, bias) && fits(runningMean) && fits(runningVariance))
        return Norm::apply(
            x, *weight, *bias, runningMean, runningVariance, momentum, epsilon, int64_t(0), lowest, highest, false,
            residual, processes);
    auto y = training && !processes.empty()
        ? overProcesses(x, weight.value(), bias.value(), runningMean, runningVariance, momentum, epsilon, processes)
        : at::batch_norm(x, weight, bias, runningMean, runningVariance, training, momentum, epsilon, true);
    // In place: the norm keeps its input, not its output.
    if (residual) y.add_(*residual);
    if (lowest == 0 && highest == infinity) return y.relu_();
    if (lowest == -infinity && highest == infinity) return y;
    return at::hardtanh_(y, lowest, highest);
}

at::Tensor groupNorm(
    const at::Tensor &x, int64_t groups, const std::optional<at::Tensor> &weight, const std::optional<at::Tensor> &bias,
    double epsilon, bool silu) {
    const bool divides = groups > 0 && x.dim() == 4 && x.size(1) % groups == 0;
    if (divides && takesOwn(x, weight, bias))
        return Norm::apply(
            x, *weight, *bias, std::nullopt, std::nullopt, 0.0, epsilon, groups, -infinity, infinity, silu,
            std::nullopt, std::string());
    const auto y = at::group_norm(x, groups, weight, bias, epsilon);
    return silu ? at::silu(y) : y;
}

// The norm whose output this is, if that can be computed again.
CppNode<Norm> *maker(const at::Tensor &x) {
    auto *node = dynamic_cast<CppNode<Norm> *>(x.grad_fn().get());
    return node && !node->ctx_.saved_data["norm.keepsOutput"].toBool() ? node : nullptr;
}

}

bool saved_input::isComputedAgain(const at::Tensor &x) { return maker(x) != nullptr; }

variable_list saved_input::of(const at::Tensor &x, AutogradContext *context) {
    auto *norm = maker(x);
    if (!norm) return {x};
    for (auto *name : {"norm.epsilon", "norm.groups", "norm.lowest", "norm.highest", "norm.silu", "norm.processes"})
        context->saved_data[name] = norm->ctx_.saved_data[name];
    return norm->ctx_.get_saved_variables();
}

at::Tensor saved_input::again(const variable_list &saved, size_t first, AutogradContext *context) {
    if (saved.size() == first + 1) return saved[first];
    auto tensor = [&](size_t of) { return saved[first + of]; };
    auto number = [&](const char *name) { return context->saved_data[name].toDouble(); };
    const bool hasResidual = saved.size() > first + Norm::added;
    if (!at::GradMode::is_enabled())
        return activated(
            tensor(Norm::input), tensor(Norm::scale), tensor(Norm::shift),
            Layout(tensor(Norm::input), Norm::groups(context)), Norm::activation(context),
            hasResidual ? tensor(Norm::added) : at::Tensor());
    // With a gradient of its own.
    return Norm::apply(
        tensor(Norm::input), tensor(Norm::weight), tensor(Norm::bias), std::nullopt, std::nullopt, 0.0,
        number("norm.epsilon"), Norm::groups(context), number("norm.lowest"), number("norm.highest"),
        context->saved_data["norm.silu"].toBool(), hasResidual ? std::optional(tensor(Norm::added)) : std::nullopt,
        Norm::processes(context));
}

TORCH_LIBRARY(domainfusion, library) {
    library.def(
        "batch_norm(Tensor x, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, "
        "float momentum, float eps, float lowest, float highest, Tensor? residual, str processes) -> Tensor",
        batchNorm);
    library.def(
        "group_norm(Tensor x, int groups, Tensor? weight, Tensor? bias, float eps, bool silu) -> Tensor", groupNorm);
}
