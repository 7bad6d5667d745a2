// Products of a few rows with a large weight, for decoding. They take as long as the weight takes to arrive from
// memory, so it is read once, in order, and asked for ahead of its use.
#include "tiles.h"

struct LinearArguments {
    int64_t rows, inputs, outputs, threads;
    // between the rows of x and of the weight, whose other stride is one; y and the bias are contiguous
    int64_t x_stride, weight_stride;
    float *x, *weight, *bias, *y;
};

namespace {

constexpr int W = LANES<float>;

// What is computed at once: with AVX-512, the sums stay in registers next to the operands. Five rows are a beam.
constexpr int OUTPUTS = 4, ROWS = 5;

// How many entries of the weight to ask for ahead.
constexpr int AHEAD = 256;

// Adds to the products of R rows from row r with O outputs from output o some inputs, a vector of them or less, give.
template <int R, int O>
ALWAYS_INLINE void add_products(
    FloatVector (&sums)[R][O], const LinearArguments& a, const float* x, const float* weight, int lanes) {
    FloatVector inputs[R];
    for (int k = 0; k < R; k++) inputs[k] = load_lanes(x + k * a.x_stride, lanes);
    for (int j = 0; j < O; j++) {
        __builtin_prefetch(weight + j * a.weight_stride + AHEAD);
        const FloatVector w = load_lanes(weight + j * a.weight_stride, lanes);
        for (int k = 0; k < R; k++) sums[k][j] += inputs[k] * w;
    }
}

// y for R rows from row r and O outputs from output o.
template <int R, int O> ALWAYS_INLINE void product(const LinearArguments& a, int64_t r, int64_t o) {
    const float *x = a.x + r * a.x_stride, *weight = a.weight + o * a.weight_stride;
    FloatVector sums[R][O] = {};
    int64_t i = 0;
    for (; i + W <= a.inputs; i += W) add_products(sums, a, x + i, weight + i, W);
    if (i < a.inputs) add_products(sums, a, x + i, weight + i, (int)(a.inputs - i));
    for (int k = 0; k < R; k++)
        for (int j = 0; j < O; j++)
            a.y[(r + k) * a.outputs + o + j] = sum_lanes<float>(sums[k][j]) + (a.bias ? a.bias[o + j] : 0);
}

template <int O> void all_rows(const LinearArguments& a, int64_t o) {
    int64_t r = 0;
    for (; r + ROWS <= a.rows; r += ROWS) product<ROWS, O>(a, r, o);
    switch (a.rows - r) {
        case 4: return product<4, O>(a, r, o);
        case 3: return product<3, O>(a, r, o);
        case 2: return product<2, O>(a, r, o);
        case 1: return product<1, O>(a, r, o);
    }
}

}  // namespace

extern "C" void linear(const LinearArguments* arguments) {
    const LinearArguments a = *arguments;
#pragma omp parallel for num_threads(a.threads) schedule(static) if (a.threads > 1)
    for (int64_t block = 0; block < ceil_divide(a.outputs, OUTPUTS); block++) {
        const int64_t first = block * OUTPUTS, last = std::min(first + OUTPUTS, a.outputs);
        if (last - first == OUTPUTS) all_rows<OUTPUTS>(a, first);
        else for (int64_t o = first; o < last; o++) all_rows<1>(a, o);
    }
}
