// Depthwise causal convolution with its activation: forward, backward and single step. Each document of a sequence has
// the initial columns before it.
#include "tiles.h"

struct ConvArguments {
    int64_t batch, channels, steps, width, threads, silu;
    // the columns before the first step have a stride of zero over the batch where all sequences share them
    Tensor3 x, initial, out;
    // contiguous, of type T: [channels, width] and [channels]
    void *weight, *bias;
    Tensor3 grad_out, grad_x;
    // contiguous, of type T: as the weight, as the bias, and [batch or 1, channels, width - 1]
    void *grad_weight, *grad_bias, *grad_initial;
    // as `pieces_of` takes it
    void* starts;
};

namespace {

// The inputs of one block from `width - 1` steps before a piece on: [width - 1 + count].
template <class S, class T>
void load_inputs(
    Vector<T>* inputs, const ConvArguments& a, int64_t b, int64_t channel, int lanes, const Piece& piece, int ahead) {
    const int64_t since = piece.first - piece.document;
    const int before = (int)a.width - 1, initial = (int)std::max<int64_t>(0, before - since);
    std::fill_n(inputs, initial, Vector<T>{});
    if (a.initial.data) load_tile<S, T>(inputs, a.initial, b, channel, lanes, since, initial, 0);
    load_tile<S, T>(
        inputs + initial, a.x, b, channel, lanes, piece.first - before + initial, piece.count + before - initial,
        ahead);
}

// WIDTH zero stands for any width.
template <class T, int WIDTH>
ALWAYS_INLINE Vector<T> convolve(const Vector<T>* inputs, const Vector<T>* weight, Vector<T> bias, int width) {
    Vector<T> sum = bias;
    for (int tap = 0; tap < (WIDTH ? WIDTH : width); tap++) sum += weight[tap] * inputs[tap];
    return sum;
}

template <class S, class T, int WIDTH>
void conv_forward_item(const ConvArguments& a, int64_t b, int64_t group_channel) {
    constexpr int W = LANES<T>;
    const int width = (int)a.width;
    const int64_t end = std::min<int64_t>(a.channels, group_channel + GROUP);
    Array<Vector<T>> weights(BLOCKS<T> * width), inputs(CHUNK + width - 1);
    for (int64_t channel = group_channel; channel < end; channel += W)
        load_states<T>(
            weights + (channel - group_channel) / W * width, (const T*)a.weight, channel,
            (int)std::min<int64_t>(W, end - channel), width, 1);
    for (const Piece& piece : pieces_of(a.starts, b, a.steps)) {
        for (int64_t channel = group_channel; channel < end; channel += W) {
            const int lanes = (int)std::min<int64_t>(W, end - channel);
            const Vector<T>* weight = weights + (channel - group_channel) / W * width;
            const Vector<T> bias = load_channels<T>(a.bias, channel, lanes);
            Vector<T> y[CHUNK];
            load_inputs<S, T>(inputs, a, b, channel, lanes, piece, CHUNK);
            for (int t = 0; t < piece.count; t++) {
                y[t] = convolve<T, WIDTH>(inputs + t, weight, bias, width);
                if (a.silu) y[t] *= sigmoid_vector(y[t]);
            }
            store_tile<S, T>(y, a.out, b, channel, lanes, piece.first, piece.count);
        }
    }
}

template <class S, class T> void conv_forward(const ConvArguments& a) {
    const int64_t groups = ceil_divide(a.channels, GROUP);
#pragma omp parallel for num_threads(a.threads) schedule(static) if (a.threads > 1)
    for (int64_t item = 0; item < a.batch * groups; item++) {
        const int64_t b = item / groups, channel = item % groups * GROUP;
        if (a.width == 4) conv_forward_item<S, T, 4>(a, b, channel);
        else conv_forward_item<S, T, 0>(a, b, channel);
    }
}

// One sequence and block of channels, back in time. Parts of the sums over sequences go to [batch, channels, ...].
template <class S, class T, int WIDTH>
void conv_backward_block(
    const ConvArguments& a, int64_t b, int64_t channel, int lanes, T* part_weight, T* part_bias, T* part_initial) {
    const int width = WIDTH ? WIDTH : (int)a.width;
    // gradients of the convolution's sums: of one piece, and of the first steps of its document after it
    Array<Vector<T>> grad_sum(CHUNK + width - 1), inputs(CHUNK + width - 1), weight(width), grad_weight(width);
    Array<Vector<T>> grad_initial(width);
    load_states<T>(weight, (const T*)a.weight, channel, lanes, width, 1);
    std::fill_n((Vector<T>*)grad_weight, width, Vector<T>{});
    std::fill_n((Vector<T>*)grad_initial, width, Vector<T>{});
    std::fill_n((Vector<T>*)grad_sum, width - 1, Vector<T>{});
    const Vector<T> bias = load_channels<T>(a.bias, channel, lanes);
    Vector<T> grad_bias = {}, grad_x[CHUNK];
    const std::vector<Piece> pieces = pieces_of(a.starts, b, a.steps);
    for (auto piece = pieces.rbegin(); piece != pieces.rend(); piece++) {
        const int64_t first = piece->first;
        const int count = piece->count;
        load_inputs<S, T>(inputs, a, b, channel, lanes, *piece, -CHUNK);
        std::copy_backward(grad_sum + 0, grad_sum + (width - 1), grad_sum + (count + width - 1));
        load_tile<S, T>(grad_sum, a.grad_out, b, channel, lanes, first, count, -CHUNK);
        for (int t = 0; t < count; t++) {
            if (a.silu) {
                const Vector<T> y = convolve<T, WIDTH>(inputs + t, weight, bias, width), gate = sigmoid_vector(y);
                grad_sum[t] *= gate * (1 + y * (1 - gate));
            }
            grad_bias += grad_sum[t];
            for (int tap = 0; tap < width; tap++) grad_weight[tap] += grad_sum[t] * inputs[t + tap];
        }
        for (int t = 0; t < count; t++) {
            grad_x[t] = Vector<T>{};
            for (int tap = 0; tap < width; tap++) grad_x[t] += weight[tap] * grad_sum[t + width - 1 - tap];
        }
        store_tile<S, T>(grad_x, a.grad_x, b, channel, lanes, first, count);
        if (!piece->begins_document()) continue;
        // an initial column meets the first steps through the taps that reach back to it
        for (int column = 0; column < width - 1; column++)
            for (int tap = 0; tap <= column; tap++)
                grad_initial[column] += weight[tap] * grad_sum[column - tap];
        std::fill_n((Vector<T>*)grad_sum, width - 1, Vector<T>{});
    }
    store_states<T>(grad_initial, part_initial + b * a.channels * (width - 1), channel, lanes, width - 1);
    store_states<T>(grad_weight, part_weight + b * a.channels * width, channel, lanes, width);
    store_lanes(part_bias + b * a.channels + channel, grad_bias, lanes);
}

template <class S, class T> void conv_backward(const ConvArguments& a) {
    constexpr int W = LANES<T>;
    const int64_t blocks = ceil_divide(a.channels, W);
    Array<T> weight(a.batch * a.channels * a.width), bias(a.batch * a.channels);
    Array<T> initial(a.batch * a.channels * (a.width - 1));
#pragma omp parallel for num_threads(a.threads) schedule(static) if (a.threads > 1)
    for (int64_t item = 0; item < a.batch * blocks; item++) {
        const int64_t b = item / blocks, channel = item % blocks * W;
        const int lanes = (int)std::min<int64_t>(W, a.channels - channel);
        if (a.width == 4) conv_backward_block<S, T, 4>(a, b, channel, lanes, weight, bias, initial);
        else conv_backward_block<S, T, 0>(a, b, channel, lanes, weight, bias, initial);
    }
    sum_parts<T>(weight, a.batch, a.channels * a.width, a.grad_weight);
    sum_parts<T>(bias, a.batch, a.channels, a.grad_bias);
    const int64_t parts = a.initial.batch == 0 ? a.batch : 1, sequences = a.initial.batch == 0 ? 1 : a.batch;
    sum_parts<T>(initial, parts, sequences * a.channels * (a.width - 1), a.grad_initial);
}

// One step of the convolution; the columns move on by one in place.
template <class S, class T> void conv_step(const ConvArguments& a) {
    constexpr int W = LANES<T>;
    const int width = (int)a.width;
    Array<Vector<T>> inputs(width), weight(width);
    for (int64_t channel = 0; channel < a.channels; channel += W) {
        const int lanes = (int)std::min<int64_t>(W, a.channels - channel);
        const Vector<T> bias = load_channels<T>(a.bias, channel, lanes);
        load_states<T>(weight, (const T*)a.weight, channel, lanes, width, 1);
        for (int64_t b = 0; b < a.batch; b++) {
            load_inputs<S, T>(inputs, a, b, channel, lanes, Piece{0, 0, 1}, 0);
            Vector<T> y = convolve<T, 0>(inputs, weight, bias, width);
            if (a.silu) y *= sigmoid_vector(y);
            store_tile<S, T>(&y, a.out, b, channel, lanes, 0, 1);
            store_tile<S, T>(inputs + 1, a.initial, b, channel, lanes, 0, width - 1);
        }
    }
}

}  // namespace

extern "C" void causal_conv1d_forward(const ConvArguments* a, int64_t type) {
    FOR_STORAGE_TYPE(conv_forward, a, type)
}

extern "C" void causal_conv1d_backward(const ConvArguments* a, int64_t type) {
    FOR_STORAGE_TYPE(conv_backward, a, type)
}

extern "C" void causal_conv1d_step(const ConvArguments* a, int64_t type) { FOR_STORAGE_TYPE(conv_step, a, type) }
