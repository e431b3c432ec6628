// Batch norm in training with what follows it, a residual and an activation, on a CPU in float32 and channels-last: fewer
// passes over the maps than by libtorch's operators, and as a rule nothing kept for the gradient but the norm's input.

#include "normalization.h"
#include "parallel.h"
#include "vectors.h"

#include <ATen/autocast_mode.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::CppNode;
using torch::autograd::variable_list;

constexpr double infinity = std::numeric_limits<double>::infinity();

// The activation clamps to these: 0 and infinity are ReLU, 0 and 6 ReLU6, the infinities none.
struct Range {
    float lowest, highest;
};

inline float clamped(float value, Range range) {
    const float above = value < range.lowest ? range.lowest : value; // not-a-number stays what it is
    return above > range.highest ? range.highest : above;
}

// x · scale + shift by channel, clamped, of `rows` rows of channels.
WIDEST_VECTORS void activate(
    const float *x, float *y, const float *scale, const float *shift, Range range, int64_t rows, int64_t channels) {
    for (int64_t row = 0; row < rows; row++, x += channels, y += channels)
        for (int64_t c = 0; c < channels; c++) y[c] = clamped(x[c] * scale[c] + shift[c], range);
}

// The same with a residual that is added before it is clamped.
WIDEST_VECTORS void activate(
    const float *x, const float *residual, float *y, const float *scale, const float *shift, Range range, int64_t rows,
    int64_t channels) {
    for (int64_t row = 0; row < rows; row++, x += channels, residual += channels, y += channels)
        for (int64_t c = 0; c < channels; c++) y[c] = clamped(x[c] * scale[c] + shift[c] + residual[c], range);
}

// Rows that are summed up in float32 before they go into a double.
constexpr int64_t block = 128;

// Mean and sum of squared differences from it, by channel, of so many values.
struct Moments {
    double count = 0;
    double *mean, *squares;

    // With those of `count` other values (Chan et al. 1979).
    template <typename Mean, typename Squares>
    void merge(double other, const Mean *means, const Squares *sums, int64_t channels) {
        const double all = count + other, weight = other / all, product = count * weight;
        for (int64_t c = 0; c < channels; c++) {
            const double difference = means[c] - mean[c];
            mean[c] += difference * weight;
            squares[c] += sums[c] + difference * difference * product;
        }
        count = all;
    }
};

// Of `rows` rows of channels; `floats` has room for two rows. A block is read twice, the second time from the cache.
WIDEST_VECTORS void addMoments(const float *x, int64_t rows, int64_t channels, float *floats, Moments &moments) {
    float *mean = floats, *squares = floats + channels;
    for (int64_t begin = 0; begin < rows; begin += block) {
        const int64_t count = std::min(block, rows - begin);
        std::fill(floats, floats + 2 * channels, 0.0f);
        const float *from = x + begin * channels;
        for (int64_t row = 0; row < count; row++)
            for (int64_t c = 0; c < channels; c++) mean[c] += from[row * channels + c];
        for (int64_t c = 0; c < channels; c++) mean[c] /= count;
        for (int64_t row = 0; row < count; row++)
            for (int64_t c = 0; c < channels; c++) {
                const float difference = from[row * channels + c] - mean[c];
                squares[c] += difference * difference;
            }
        moments.merge(count, mean, squares, channels);
    }
}

// The gradient before the activation, from that behind it.
inline float masked(float gradient, float x, float scale, float shift, Range range) {
    const float value = x * scale + shift;
    return value <= range.lowest || value >= range.highest ? 0.0f : gradient;
}

// Adds up the gradient before the activation, and its products with x − mean, by channel; `floats` has room for two rows.
WIDEST_VECTORS void sumGradients(
    const float *x, const float *gradient, const float *scale, const float *shift, const float *mean, Range range,
    int64_t rows, int64_t channels, float *floats, double *sums) {
    float *plain = floats, *products = floats + channels;
    for (int64_t begin = 0; begin < rows; begin += block) {
        std::fill(floats, floats + 2 * channels, 0.0f);
        for (int64_t row = begin; row < std::min(rows, begin + block); row++, x += channels, gradient += channels)
            for (int64_t c = 0; c < channels; c++) {
                const float g = masked(gradient[c], x[c], scale[c], shift[c], range);
                plain[c] += g;
                products[c] += g * (x[c] - mean[c]);
            }
        for (int64_t i = 0; i < 2 * channels; i++) sums[i] += floats[i];
    }
}

// (g − plain − (x − mean) · product) · scale, g being the gradient before the activation.
WIDEST_VECTORS void inputGradient(
    const float *x, const float *gradient, float *result, const float *scale, const float *shift, const float *mean,
    const float *plain, const float *product, Range range, int64_t rows, int64_t channels) {
    for (int64_t row = 0; row < rows; row++, x += channels, gradient += channels, result += channels)
        for (int64_t c = 0; c < channels; c++) {
            const float g = masked(gradient[c], x[c], scale[c], shift[c], range);
            result[c] = (g - plain[c] - (x[c] - mean[c]) * product[c]) * scale[c];
        }
}

// Rows of channels, and the parts of them that are one thread's: the same for any number of threads.
struct Rows {
    int64_t count, channels, parts;

    explicit Rows(const at::Tensor &x)
        : count(x.size(0) * x.size(2) * x.size(3)), channels(x.size(1)),
          parts(std::clamp<int64_t>(count / (2 * block), 1, 64)) {}

    template <typename Body> void forParts(const Body &body) const {
        parallelFor(parts, [&](int64_t begin, int64_t end) {
            for (int64_t part = begin; part < end; part++) {
                const int64_t first = count * part / parts;
                body(part, first, count * (part + 1) / parts - first);
            }
        });
    }
};

at::Tensor activated(
    const at::Tensor &x, const at::Tensor &scale, const at::Tensor &shift, Range range, const at::Tensor &residual) {
    const Rows rows(x);
    auto y = at::empty_like(x);
    const auto *in = x.const_data_ptr<float>(), *by = scale.const_data_ptr<float>(), *to = shift.const_data_ptr<float>();
    const auto *added = residual.defined() ? residual.const_data_ptr<float>() : nullptr;
    auto *out = y.mutable_data_ptr<float>();
    rows.forParts([&](int64_t, int64_t first, int64_t count) {
        const auto offset = first * rows.channels;
        if (added)
            activate(in + offset, added + offset, out + offset, by, to, range, count, rows.channels);
        else
            activate(in + offset, out + offset, by, to, range, count, rows.channels);
    });
    return y;
}

// Updates the running statistics by the batch's.
struct Statistics {
    at::Tensor mean, inverse;

    Statistics(
        const at::Tensor &x, const std::optional<at::Tensor> &runningMean,
        const std::optional<at::Tensor> &runningVariance, double momentum, double epsilon) {
        const Rows rows(x);
        const auto channels = rows.channels;
        TORCH_CHECK(
            rows.count > 1, "batch norm needs more than one value a channel in training, not images ", x.sizes());
        std::vector<double> sums(rows.parts * 2 * channels);
        std::vector<float> floats(rows.parts * 2 * channels);
        std::vector<Moments> moments(rows.parts);
        const auto *in = x.const_data_ptr<float>();
        rows.forParts([&](int64_t part, int64_t first, int64_t count) {
            auto *own = sums.data() + part * 2 * channels;
            moments[part].mean = own;
            moments[part].squares = own + channels;
            addMoments(in + first * channels, count, channels, floats.data() + part * 2 * channels, moments[part]);
        });
        for (int64_t part = 1; part < rows.parts; part++)
            moments[0].merge(moments[part].count, moments[part].mean, moments[part].squares, channels);

        mean = at::empty({channels}, x.options());
        inverse = at::empty({channels}, x.options());
        auto *means = mean.mutable_data_ptr<float>(), *inverses = inverse.mutable_data_ptr<float>();
        for (int64_t c = 0; c < channels; c++) {
            means[c] = static_cast<float>(moments[0].mean[c]);
            inverses[c] = static_cast<float>(1 / std::sqrt(moments[0].squares[c] / rows.count + epsilon));
        }
        update(runningMean, moments[0].mean, 1, momentum);
        update(runningVariance, moments[0].squares, 1.0 / (rows.count - 1), momentum);
    }

    static void update(const std::optional<at::Tensor> &running, const double *sums, double scale, double momentum) {
        if (!running) return;
        auto batch = at::empty(running->sizes(), at::kFloat);
        auto *values = batch.mutable_data_ptr<float>();
        for (int64_t c = 0; c < batch.numel(); c++) values[c] = static_cast<float>(sums[c] * scale);
        running->mul_(1 - momentum).add_(batch, momentum);
    }
};

struct NormActivation : torch::autograd::Function<NormActivation> {
    // What is saved, in this order. The last, where there is a residual, is the residual if it is kept anyway; then the
    // output can be computed again. If not, it is the output.
    enum { input, weight, bias, mean, inverse, scale, shift, added };

    static at::Tensor forward(
        AutogradContext *context, const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias,
        const std::optional<at::Tensor> &runningMean, const std::optional<at::Tensor> &runningVariance,
        double momentum, double epsilon, double lowest, double highest, const std::optional<at::Tensor> &residual) {
        const auto [mean, inverse] = Statistics(x, runningMean, runningVariance, momentum, epsilon);
        const auto scale = inverse * weight;
        const auto shift = bias - mean * scale;
        context->saved_data["epsilon"] = epsilon;
        context->saved_data["lowest"] = lowest;
        context->saved_data["highest"] = highest;
        const bool keepsOutput = residual && saved_input::isComputedAgain(*residual);
        context->saved_data["keepsOutput"] = keepsOutput;
        const auto y = activated(x, scale, shift, range(context), residual.value_or(at::Tensor()));
        variable_list saved{x, weight, bias, mean, inverse, scale, shift};
        if (residual) saved.push_back(keepsOutput ? y : *residual);
        context->save_for_backward(saved);
        return y;
    }

    static Range range(AutogradContext *context) {
        return {static_cast<float>(context->saved_data["lowest"].toDouble()),
                static_cast<float>(context->saved_data["highest"].toDouble())};
    }

    static variable_list backward(AutogradContext *context, variable_list gradients) {
        const auto saved = context->get_saved_variables();
        auto range = NormActivation::range(context);
        auto gradient = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
        const bool hasResidual = saved.size() > added;
        if (hasResidual || at::GradMode::is_enabled()) {
            // The residual's gradient is that before the activation: computed first, and for all.
            gradient = beforeActivation(context, saved, gradient, range);
            range = {-infinity, infinity};
        }
        const auto [ofInput, ofWeight, ofBias] = at::GradMode::is_enabled()
            // libtorch's, which has a gradient itself.
            ? at::native_batch_norm_backward(
                  gradient, saved[input], saved[weight], {}, {}, saved[mean], saved[inverse], true,
                  context->saved_data["epsilon"].toDouble(), {true, true, true})
            : own(saved, gradient, range, context->needs_input_grad(0));
        return {ofInput, ofWeight, ofBias, {}, {}, {}, {}, {}, {}, hasResidual ? gradient : at::Tensor()};
    }

    static at::Tensor beforeActivation(
        AutogradContext *context, const variable_list &saved, const at::Tensor &gradient, Range range) {
        if (range.lowest == -infinity && range.highest == infinity) return gradient;
        at::Tensor y;
        if (context->saved_data["keepsOutput"].toBool()) {
            y = saved[added].detach();
        } else {
            y = activated(
                saved[input], saved[scale], saved[shift], range, saved.size() > added ? saved[added] : at::Tensor());
        }
        return range.highest == infinity ? at::threshold_backward(gradient, y, range.lowest)
                                         : at::hardtanh_backward(gradient, y, range.lowest, range.highest);
    }

    using Gradients = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

    static Gradients own(const variable_list &saved, const at::Tensor &gradient, Range range, bool needsInput) {
        const auto &x = saved[input];
        const Rows rows(x);
        const auto channels = rows.channels;
        auto data = [&](int of) { return saved[of].const_data_ptr<float>(); };
        const auto *in = data(input), *by = data(scale), *to = data(shift), *center = data(mean);
        const auto *seed = gradient.const_data_ptr<float>();

        std::vector<double> sums(rows.parts * 2 * channels);
        std::vector<float> floats(rows.parts * 2 * channels);
        rows.forParts([&](int64_t part, int64_t first, int64_t count) {
            const auto offset = part * 2 * channels;
            sumGradients(
                in + first * channels, seed + first * channels, by, to, center, range, count, channels,
                floats.data() + offset, sums.data() + offset);
        });
        for (int64_t part = 1; part < rows.parts; part++)
            for (int64_t i = 0; i < 2 * channels; i++) sums[i] += sums[part * 2 * channels + i];

        auto ofWeight = at::empty_like(saved[mean]), ofBias = at::empty_like(saved[mean]);
        std::vector<float> plain(channels), product(channels);
        for (int64_t c = 0; c < channels; c++) {
            const double inverted = data(inverse)[c];
            ofBias.mutable_data_ptr<float>()[c] = static_cast<float>(sums[c]);
            ofWeight.mutable_data_ptr<float>()[c] = static_cast<float>(sums[channels + c] * inverted);
            plain[c] = static_cast<float>(sums[c] / rows.count);
            product[c] = static_cast<float>(sums[channels + c] * inverted * inverted / rows.count);
        }
        if (!needsInput) return {{}, ofWeight, ofBias};
        auto ofInput = at::empty_like(x);
        auto *out = ofInput.mutable_data_ptr<float>();
        rows.forParts([&](int64_t, int64_t first, int64_t count) {
            inputGradient(
                in + first * channels, seed + first * channels, out + first * channels, by, to, center, plain.data(),
                product.data(), range, count, channels);
        });
        return {ofInput, ofWeight, ofBias};
    }
};

bool takesOwn(const at::Tensor &x, const std::optional<at::Tensor> &weight, const std::optional<at::Tensor> &bias) {
    return x.device().is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 4 && x.numel() > 0
        && x.is_contiguous(at::MemoryFormat::ChannelsLast) && weight && bias && weight->scalar_type() == at::kFloat
        && bias->scalar_type() == at::kFloat && !at::autocast::is_autocast_enabled(at::kCPU);
}

at::Tensor batchNorm(
    const at::Tensor &x, const std::optional<at::Tensor> &weight, const std::optional<at::Tensor> &bias,
    const std::optional<at::Tensor> &runningMean, const std::optional<at::Tensor> &runningVariance, bool training,
    double momentum, double epsilon, double lowest, double highest, const std::optional<at::Tensor> &residual) {
    const bool fits = !residual
        || (residual->sizes() == x.sizes() && residual->scalar_type() == at::kFloat
            && residual->is_contiguous(at::MemoryFormat::ChannelsLast));
    if (training && fits && takesOwn(x, weight, bias))
        return NormActivation::apply(
            x, *weight, *bias, runningMean, runningVariance, momentum, epsilon, lowest, highest, residual);
    auto y = at::batch_norm(x, weight, bias, runningMean, runningVariance, training, momentum, epsilon, true);
    // In place: the norm keeps its input, not its output.
    if (residual) y.add_(*residual);
    if (lowest == 0 && highest == infinity) return y.relu_();
    if (lowest == -infinity && highest == infinity) return y;
    return at::hardtanh_(y, lowest, highest);
}

// The norm whose output this is, if that can be computed again.
CppNode<NormActivation> *maker(const at::Tensor &x) {
    auto *node = dynamic_cast<CppNode<NormActivation> *>(x.grad_fn().get());
    return node && !node->ctx_.saved_data["keepsOutput"].toBool() ? node : nullptr;
}

}

bool saved_input::isComputedAgain(const at::Tensor &x) { return maker(x) != nullptr; }

variable_list saved_input::of(const at::Tensor &x, AutogradContext *context) {
    auto *norm = maker(x);
    if (!norm) return {x};
    for (auto *name : {"epsilon", "lowest", "highest"}) context->saved_data[name] = norm->ctx_.saved_data[name];
    return norm->ctx_.get_saved_variables();
}

at::Tensor saved_input::again(const variable_list &saved, size_t first, AutogradContext *context) {
    if (saved.size() == first + 1) return saved[first];
    using Norm = NormActivation;
    auto tensor = [&](size_t of) { return saved[first + of]; };
    auto number = [&](const char *name) { return context->saved_data[name].toDouble(); };
    const bool hasResidual = saved.size() > first + Norm::added;
    if (!at::GradMode::is_enabled())
        return activated(
            tensor(Norm::input), tensor(Norm::scale), tensor(Norm::shift), Norm::range(context),
            hasResidual ? tensor(Norm::added) : at::Tensor());
    // With a gradient of its own.
    return Norm::apply(
        tensor(Norm::input), tensor(Norm::weight), tensor(Norm::bias), std::nullopt, std::nullopt, 0.0,
        number("epsilon"), number("lowest"), number("highest"),
        hasResidual ? std::optional(tensor(Norm::added)) : std::nullopt);
}

TORCH_LIBRARY(domainfusion, library) {
    library.def(
        "batch_norm(Tensor x, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, "
        "float momentum, float eps, float lowest, float highest, Tensor? residual) -> Tensor",
        batchNorm);
}
