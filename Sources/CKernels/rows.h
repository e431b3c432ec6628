#pragma once

#include <cstdint>
#include <limits>

// What norms and activations do to rows of channels, on one thread: plain loops that become vectors.
namespace rows {

constexpr double infinity = std::numeric_limits<double>::infinity();

// SiLU, or a clamp: to 0 and infinity it is ReLU, to 0 and 6 ReLU6, to the infinities none.
struct Activation {
    float lowest, highest;
    bool silu;

    bool isIdentity() const { return !silu && lowest == -infinity && highest == infinity; }
};

// The activation of x · scale + shift by channel, of `rows` rows of channels.
void activate(
    const float *x, float *y, const float *scale, const float *shift, Activation activation, int64_t rows,
    int64_t channels);

// The same with a residual that is added before a clamp.
void activate(
    const float *x, const float *residual, float *y, const float *scale, const float *shift, Activation activation,
    int64_t rows, int64_t channels);

// Rows that are summed up in float32 before they go into a double.
constexpr int64_t block = 128;

// Mean and sum of squared differences from it, of so many values.
struct Moments {
    double count = 0, mean = 0, squares = 0;

    // With those of other values (Chan et al. 1979).
    void merge(const Moments &other) {
        const double all = count + other.count, difference = other.mean - mean;
        mean += difference * other.count / all;
        squares += other.squares + difference * difference * count * other.count / all;
        count = all;
    }
};

// Of each channel of `rows` rows; `floats` has room for three rows. A block is read twice, the second time from the cache.
void addMoments(const float *x, int64_t rows, int64_t channels, float *floats, Moments *moments);

// What gradients need by channel.
struct Channels {
    const float *scale, *shift, *mean;
};

// Adds up the gradient before the activation, and its products with x − mean, by channel; `floats` has room for two rows.
void sumGradients(
    const float *x, const float *gradient, Channels by, Activation activation, int64_t rows, int64_t channels,
    float *floats, double *sums);

// g · scale − plain − (x − mean) · product, g being the gradient before the activation.
void inputGradient(
    const float *x, const float *gradient, float *result, Channels by, const float *plain, const float *product,
    Activation activation, int64_t rows, int64_t channels);

}
