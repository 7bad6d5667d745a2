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

// Sixteen accumulators at most, so that they stay in registers next to the operands.
constexpr int OUTPUTS = 4, ROWS = 4;

// How many entries of the weight to ask for ahead.
constexpr int AHEAD = 256;

// y for R rows from row r and O outputs from output o.
template <int R, int O> ALWAYS_INLINE void product(const LinearArguments& a, int64_t r, int64_t o) {
    const float *x = a.x + r * a.x_stride, *weight = a.weight + o * a.weight_stride;
    FloatVector sums[R][O] = {};
    for (int64_t i = 0; i < a.inputs; i += W) {
        const int lanes = (int)std::min<int64_t>(W, a.inputs - i);
        FloatVector inputs[R];
        for (int k = 0; k < R; k++) inputs[k] = load_lanes(x + k * a.x_stride + i, lanes);
        for (int j = 0; j < O; j++) {
            __builtin_prefetch(weight + j * a.weight_stride + i + AHEAD);
            const FloatVector w = load_lanes(weight + j * a.weight_stride + i, lanes);
            for (int k = 0; k < R; k++) sums[k][j] += inputs[k] * w;
        }
    }
    for (int k = 0; k < R; k++)
        for (int j = 0; j < O; j++)
            a.y[(r + k) * a.outputs + o + j] = sum_lanes<float>(sums[k][j]) + (a.bias ? a.bias[o + j] : 0);
}

template <int O> void all_rows(const LinearArguments& a, int64_t o) {
    int64_t r = 0;
    for (; r + ROWS <= a.rows; r += ROWS) product<ROWS, O>(a, r, o);
    if (a.rows - r == 3) product<3, O>(a, r, o);
    if (a.rows - r == 2) product<2, O>(a, r, o);
    if (a.rows - r == 1) product<1, O>(a, r, o);
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
