// Selective scan and causal convolution, forward and backward, and the single steps of decoding, for the CPU.
//
// A plain C interface: Python passes pointers and strides in the structs below, all of whose fields take eight bytes.
// S is the type that sequences are stored in (float, bfloat16, double), T the type of the arithmetic (float, double).
//
// Work is cut into items of one sequence and GROUP channels, whatever the number of threads, and what several items
// add to is summed afterwards in a fixed order. So the results do not depend on the number of threads, bit for bit.
// Within an item, a vector holds neighbouring channels ("a block"), and time advances in chunks of CHUNK steps.
// The state before each chunk is kept; the backward recomputes the states within a chunk from it.

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <type_traits>

#include "vector.h"

namespace {

constexpr int CHUNK = 32;
constexpr int GROUP = 128;
template <class T> constexpr int BLOCKS = GROUP / LANES<T>;

// As many states at once as there are registers for.
constexpr int MOST_STATES = VECTOR_BYTES == 64 ? 16 : 8;

}  // namespace

extern "C" {

// Strides count elements, in the order batch, channel (or state), step. No data: the argument was not given.
struct Tensor3 { void* data; int64_t batch, channel, step; };

struct ScanArguments {
    int64_t batch, channels, steps, states, threads, softplus;
    // stride of the initial state over the batch; zero where all sequences share it
    int64_t initial_batch;
    Tensor3 u, delta, z, B, C, out;
    // contiguous, of type T: [channels, states], [channels], and [batch, channels, states]
    void *A, *D, *bias, *initial, *last;
    // [batch, blocks, chunks, states, lanes] of type T, as large as blocks of any width need
    void* checkpoints;
    Tensor3 grad_out, grad_u, grad_delta, grad_z, grad_B, grad_C;
    void *grad_last, *grad_A, *grad_D, *grad_bias, *grad_initial;
};

struct ConvArguments {
    int64_t batch, channels, steps, width, threads, silu;
    // the columns before the first step have a stride of zero over the batch where all sequences share them
    Tensor3 x, initial, out;
    // contiguous, of type T: [channels, width] and [channels]
    void *weight, *bias;
    Tensor3 grad_out, grad_x;
    // contiguous, of type T: as the weight, as the bias, and [batch or 1, channels, width - 1]
    void *grad_weight, *grad_bias, *grad_initial;
};

// One step of Mamba-2. The second stride of x and out is that of heads, the third that of a head's dimensions.
struct SsdStepArguments {
    int64_t batch, heads, head_dim, groups, states, threads, softplus;
    double least_delta, most_delta;
    Tensor3 x, delta, B, C, out;
    // contiguous, of type T: [heads], and [batch, heads, head_dim, states]
    void *A, *D, *bias, *state;
};

}  // extern "C"

namespace {

template <class T> struct FreeArray { void operator()(T* p) const { free(p); } };

// Uninitialised array, aligned for vectors.
template <class T> class Array {
  public:
    explicit Array(int64_t count)
        : data_((T*)aligned_alloc(64, (std::max<int64_t>(count, 1) * sizeof(T) + 63) / 64 * 64)) {
        if (!data_) abort();
    }
    operator T*() const { return data_.get(); }

  private:
    std::unique_ptr<T, FreeArray<T>> data_;
};

int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Steps [first, first + count) of the channels of one block, one vector a step; lanes beyond the last channel are zero.
// Asks for the same rows `ahead` steps on, since neighbouring rows lie further apart than the hardware looks ahead.
template <class S, class T>
ALWAYS_INLINE void load_tile(
    Vector<T>* tile, const Tensor3& tensor, int64_t b, int64_t channel, int lanes, int64_t first, int count,
    int ahead = CHUNK) {
    const S* source = (const S*)tensor.data + b * tensor.batch + channel * tensor.channel + first * tensor.step;
    constexpr int W = LANES<T>;
    T* target = (T*)tile;
    if (tensor.channel == 1 && lanes == W) {
        for (int t = 0; t < count; t++) {
            __builtin_prefetch(source + (t + ahead) * tensor.step);
            for (int i = 0; i < W; i++) target[t * W + i] = load(source + t * tensor.step + i);
        }
        return;
    }
    if (lanes < W) memset(target, 0, sizeof(T) * W * count);
    for (int i = 0; i < lanes; i++)
        for (int t = 0; t < count; t++) target[t * W + i] = load(source + i * tensor.channel + t * tensor.step);
}

template <class S, class T>
ALWAYS_INLINE void store_tile(
    const Vector<T>* tile, const Tensor3& tensor, int64_t b, int64_t channel, int lanes, int64_t first, int count) {
    S* target = (S*)tensor.data + b * tensor.batch + channel * tensor.channel + first * tensor.step;
    constexpr int W = LANES<T>;
    const T* source = (const T*)tile;
    if (tensor.channel == 1 && lanes == W) {
        for (int t = 0; t < count; t++)
            for (int i = 0; i < W; i++) store(target + t * tensor.step + i, source[t * W + i]);
        return;
    }
    for (int i = 0; i < lanes; i++)
        for (int t = 0; t < count; t++) store(target + i * tensor.channel + t * tensor.step, source[t * W + i]);
}

// The B or C of `count` steps: [count, states] of type T.
template <class S, class T>
void load_maps(T* maps, const Tensor3& tensor, int64_t b, int states, int64_t first, int count) {
    const S* source = (const S*)tensor.data + b * tensor.batch + first * tensor.step;
    for (int t = 0; t < count; t++)
        for (int n = 0; n < states; n++) maps[t * states + n] = load(source + n * tensor.channel + t * tensor.step);
}

// The first lanes of a vector, zero beyond them. A whole vector is the common case, and one instruction.
template <class T> ALWAYS_INLINE Vector<T> load_lanes(const T* p, int lanes) {
    if (lanes == LANES<T>) return load_vector(p);
    Vector<T> v = {};
    for (int i = 0; i < lanes; i++) v[i] = p[i];
    return v;
}

template <class T> ALWAYS_INLINE void store_lanes(T* p, Vector<T> v, int lanes) {
    if (lanes == LANES<T>) return store_vector(p, v);
    for (int i = 0; i < lanes; i++) p[i] = v[i];
}

// One value a channel, and one a channel and state, as vectors; zero where there is no data or no channel.
template <class T> ALWAYS_INLINE Vector<T> load_channels(const void* data, int64_t channel, int lanes) {
    return data ? load_lanes((const T*)data + channel, lanes) : Vector<T>{};
}

template <class T>
void load_states(Vector<T>* target, const T* source, int64_t channel, int lanes, int states, T scale) {
    for (int n = 0; n < states; n++) {
        target[n] = Vector<T>{};
        if (source)
            for (int i = 0; i < lanes; i++) target[n][i] = source[(channel + i) * states + n] * scale;
    }
}

template <class T> void store_states(const Vector<T>* source, T* target, int64_t channel, int lanes, int states) {
    for (int n = 0; n < states; n++)
        for (int i = 0; i < lanes; i++) target[(channel + i) * states + n] = source[n][i];
}

// Calls f(size, first) for tiles of states that cover all of them, each with a size known to the compiler.
template <class F> ALWAYS_INLINE void for_state_tiles(int states, F f) {
    int n = 0;
    for (; states - n >= MOST_STATES; n += MOST_STATES) f(std::integral_constant<int, MOST_STATES>{}, n);
    for (; states - n >= 4; n += 4) f(std::integral_constant<int, 4>{}, n);
    for (; n < states; n++) f(std::integral_constant<int, 1>{}, n);
}

// What the scan knows of one chunk of one block: the step sizes before and after the softplus, x = delta u, and y.
template <class T> struct ScanTiles {
    Vector<T> u[CHUNK], raw[CHUNK], delta[CHUNK], x[CHUNK], z[CHUNK], y[CHUNK];
};

template <class S, class T>
ALWAYS_INLINE void load_scan_tiles(
    ScanTiles<T>& tiles, const ScanArguments& a, int64_t b, int64_t channel, int lanes, int64_t first, int count,
    int ahead) {
    load_tile<S, T>(tiles.u, a.u, b, channel, lanes, first, count, ahead);
    load_tile<S, T>(tiles.raw, a.delta, b, channel, lanes, first, count, ahead);
    if (a.z.data) load_tile<S, T>(tiles.z, a.z, b, channel, lanes, first, count, ahead);
    const Vector<T> bias = load_channels<T>(a.bias, channel, lanes), D = load_channels<T>(a.D, channel, lanes);
    for (int t = 0; t < count; t++) {
        tiles.raw[t] += bias;
        tiles.delta[t] = a.softplus ? softplus_vector(tiles.raw[t]) : tiles.raw[t];
        tiles.x[t] = tiles.delta[t] * tiles.u[t];
        tiles.y[t] = D * tiles.u[t];
    }
}

// Advances `states` of N states through a chunk and adds their part of C h to y. A is scaled by log2(e).
template <class T, int N>
void advance(ScanTiles<T>& tiles, int count, const Vector<T>* A, Vector<T>* states, const T* B, const T* C, int stride) {
    Vector<T> h[N];
    for (int n = 0; n < N; n++) h[n] = states[n];
    for (int t = 0; t < count; t++) {
        const Vector<T> delta = tiles.delta[t], x = tiles.x[t];
        Vector<T> even = tiles.y[t], odd = {};
#pragma GCC unroll 16
        for (int n = 0; n < N; n++) {
            h[n] = exp2_vector(delta * A[n]) * h[n] + x * broadcast(B[t * stride + n]);
            (n % 2 ? odd : even) += h[n] * broadcast(C[t * stride + n]);
        }
        tiles.y[t] = even + odd;
    }
    for (int n = 0; n < N; n++) states[n] = h[n];
}

template <class S, class T> void scan_forward_item(const ScanArguments& a, int64_t b, int64_t group_channel) {
    constexpr int W = LANES<T>;
    const int states = (int)a.states;
    const int64_t blocks = ceil_divide(a.channels, W), chunks = ceil_divide(a.steps, CHUNK);
    const int group_blocks = (int)ceil_divide(std::min<int64_t>(GROUP, a.channels - group_channel), W);
    Array<Vector<T>> A(group_blocks * states), h(group_blocks * states);
    Array<T> B(CHUNK * states), C(CHUNK * states);
    const T* initial = a.initial ? (const T*)a.initial + b * a.initial_batch : nullptr;
    for (int k = 0; k < group_blocks; k++) {
        const int64_t channel = group_channel + k * W;
        const int lanes = (int)std::min<int64_t>(W, a.channels - channel);
        load_states<T>(A + k * states, (const T*)a.A, channel, lanes, states, LOG2_E<T>);
        load_states<T>(h + k * states, initial, channel, lanes, states, 1);
    }
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        const int64_t first = chunk * CHUNK;
        const int count = (int)std::min<int64_t>(CHUNK, a.steps - first);
        load_maps<S, T>(B, a.B, b, states, first, count);
        load_maps<S, T>(C, a.C, b, states, first, count);
        for (int k = 0; k < group_blocks; k++) {
            const int64_t channel = group_channel + k * W;
            const int lanes = (int)std::min<int64_t>(W, a.channels - channel);
            Vector<T>* block_h = h + k * states;
            if (a.checkpoints) {
                Vector<T>* checkpoints = (Vector<T>*)a.checkpoints;
                std::copy_n(block_h, states, checkpoints + ((b * blocks + channel / W) * chunks + chunk) * states);
            }
            ScanTiles<T> tiles;
            load_scan_tiles<S, T>(tiles, a, b, channel, lanes, first, count, CHUNK);
            for_state_tiles(states, [&](auto size, int n) {
                advance<T, size>(tiles, count, A + k * states + n, block_h + n, B + n, C + n, states);
            });
            if (a.z.data)
                for (int t = 0; t < count; t++) tiles.y[t] *= tiles.z[t] * sigmoid_vector(tiles.z[t]);
            store_tile<S, T>(tiles.y, a.out, b, channel, lanes, first, count);
        }
    }
    T* last = (T*)a.last + b * a.channels * states;
    for (int k = 0; k < group_blocks; k++) {
        const int64_t channel = group_channel + k * W;
        store_states<T>(h + k * states, last, channel, (int)std::min<int64_t>(W, a.channels - channel), states);
    }
}

template <class S, class T> void scan_forward(const ScanArguments& a) {
    const int64_t groups = ceil_divide(a.channels, GROUP);
#pragma omp parallel for num_threads(a.threads) schedule(static) if (a.threads > 1)
    for (int64_t item = 0; item < a.batch * groups; item++)
        scan_forward_item<S, T>(a, item / groups, item % groups * GROUP);
}

// Working memory of one thread for the backward of one item.
template <class T> struct ScanScratch {
    // of the group's blocks, [blocks, states]: A, the gradient of the state after the present chunk, and that of A
    Array<Vector<T>> A, grad_state, grad_A;
    // of one chunk and tile of states: [CHUNK, tile] and [CHUNK + 1, tile]
    Array<Vector<T>> decay, h;
    // of one chunk, summed over the group's blocks: [CHUNK, states]
    Array<Vector<T>> grad_B, grad_C;
    Array<T> B, C;

    explicit ScanScratch(int states)
        : A(BLOCKS<T> * states), grad_state(BLOCKS<T> * states), grad_A(BLOCKS<T> * states),
          decay(CHUNK * MOST_STATES), h((CHUNK + 1) * MOST_STATES), grad_B(CHUNK * states), grad_C(CHUNK * states),
          B(CHUNK * states), C(CHUNK * states) {}
};

// As `advance`, but keeps every decay and state.
template <class T, int N>
void recompute(
    ScanTiles<T>& tiles, int count, const Vector<T>* A, const Vector<T>* checkpoint, const T* B, const T* C, int stride,
    Vector<T>* decay, Vector<T>* h) {
    for (int n = 0; n < N; n++) h[n] = checkpoint[n];
    for (int t = 0; t < count; t++) {
        const Vector<T> delta = tiles.delta[t], x = tiles.x[t];
        Vector<T> even = tiles.y[t], odd = {};
#pragma GCC unroll 16
        for (int n = 0; n < N; n++) {
            const Vector<T> e = exp2_vector(delta * A[n]);
            const Vector<T> state = e * h[t * N + n] + x * broadcast(B[t * stride + n]);
            decay[t * N + n] = e;
            h[(t + 1) * N + n] = state;
            (n % 2 ? odd : even) += state * broadcast(C[t * stride + n]);
        }
        tiles.y[t] = even + odd;
    }
}

// Gradients that arise at the states of a chunk.
template <class T> struct GradTiles {
    // of y before the gate, of x, and of the exponents delta A, summed over states with weight A
    Vector<T> y[CHUNK], x[CHUNK], exponent[CHUNK];
};

// Walks N states of a chunk back in time. `grad_state` enters as the gradient of the state after the chunk and leaves
// as that of the state before it.
template <class T, int N>
void walk_back(
    const ScanTiles<T>& tiles, GradTiles<T>& grad, int count, const Vector<T>* A, const T* B, const T* C, int stride,
    const Vector<T>* decay, const Vector<T>* h, Vector<T>* grad_state, Vector<T>* grad_A, Vector<T>* grad_B,
    Vector<T>* grad_C) {
    for (int t = count - 1; t >= 0; t--) {
        const Vector<T> grad_y = grad.y[t], delta = tiles.delta[t], x = tiles.x[t];
        Vector<T> grad_x = {}, grad_exponent = {};
#pragma GCC unroll 16
        for (int n = 0; n < N; n++) {
            const Vector<T> g = grad_state[n] + grad_y * broadcast(C[t * stride + n]);
            grad_C[t * stride + n] += grad_y * h[(t + 1) * N + n];
            grad_B[t * stride + n] += g * x;
            grad_x += g * broadcast(B[t * stride + n]);
            const Vector<T> carried = g * decay[t * N + n], by_exponent = carried * h[t * N + n];
            grad_state[n] = carried;
            grad_exponent += by_exponent * A[n];
            grad_A[n] += by_exponent * delta;
        }
        grad.x[t] += grad_x;
        grad.exponent[t] += grad_exponent;
    }
}

// Sums over channels and sequences, one part for each item or sequence, added up in the end.
template <class T> struct ScanPartials {
    Array<T> B, C;            // [groups, batch, steps, states]
    Array<T> A, initial;      // [batch, channels, states]
    Array<T> D, bias;         // [batch, channels]

    explicit ScanPartials(const ScanArguments& a)
        : B(ceil_divide(a.channels, GROUP) * a.batch * a.steps * a.states),
          C(ceil_divide(a.channels, GROUP) * a.batch * a.steps * a.states),
          A(a.batch * a.channels * a.states), initial(a.batch * a.channels * a.states),
          D(a.batch * a.channels), bias(a.batch * a.channels) {}
};

// One chunk of one block: all gradients but those of A and the state, which go on to the chunk before.
template <class S, class T>
void scan_backward_chunk(
    const ScanArguments& a, ScanScratch<T>& scratch, int64_t b, int64_t channel, int k, int64_t chunk,
    Vector<T>& grad_D, Vector<T>& grad_bias) {
    constexpr int W = LANES<T>;
    const int states = (int)a.states, lanes = (int)std::min<int64_t>(W, a.channels - channel);
    const int64_t first = chunk * CHUNK, chunks = ceil_divide(a.steps, CHUNK), blocks = ceil_divide(a.channels, W);
    const int count = (int)std::min<int64_t>(CHUNK, a.steps - first);
    const Vector<T>* checkpoint = (const Vector<T>*)a.checkpoints + ((b * blocks + channel / W) * chunks + chunk) * states;
    ScanTiles<T> tiles;
    GradTiles<T> grad;
    Vector<T> grad_out[CHUNK], gate[CHUNK];
    load_scan_tiles<S, T>(tiles, a, b, channel, lanes, first, count, -CHUNK);
    load_tile<S, T>(grad_out, a.grad_out, b, channel, lanes, first, count, -CHUNK);
    for (int t = 0; t < count; t++) {
        if (a.z.data) gate[t] = sigmoid_vector(tiles.z[t]);
        grad.y[t] = a.z.data ? grad_out[t] * tiles.z[t] * gate[t] : grad_out[t];
        grad.x[t] = grad.exponent[t] = Vector<T>{};
    }
    for_state_tiles(states, [&](auto size, int n) {
        const Vector<T>* A = scratch.A + k * states + n;
        recompute<T, size>(
            tiles, count, A, checkpoint + n, scratch.B + n, scratch.C + n, states, scratch.decay, scratch.h);
        walk_back<T, size>(
            tiles, grad, count, A, scratch.B + n, scratch.C + n, states, scratch.decay, scratch.h,
            scratch.grad_state + k * states + n, scratch.grad_A + k * states + n, scratch.grad_B + n,
            scratch.grad_C + n);
    });
    const Vector<T> D = load_channels<T>(a.D, channel, lanes);
    Vector<T> grad_u[CHUNK], grad_delta[CHUNK], grad_z[CHUNK];
    for (int t = 0; t < count; t++) {
        grad_u[t] = grad.x[t] * tiles.delta[t] + D * grad.y[t];
        grad_delta[t] = grad.exponent[t] * broadcast(LN_2<T>) + grad.x[t] * tiles.u[t];
        if (a.softplus) grad_delta[t] *= sigmoid_vector(tiles.raw[t]);
        if (a.z.data) grad_z[t] = grad_out[t] * tiles.y[t] * gate[t] * (1 + tiles.z[t] * (1 - gate[t]));
        grad_bias += grad_delta[t];
        grad_D += grad.y[t] * tiles.u[t];
    }
    store_tile<S, T>(grad_u, a.grad_u, b, channel, lanes, first, count);
    store_tile<S, T>(grad_delta, a.grad_delta, b, channel, lanes, first, count);
    if (a.z.data) store_tile<S, T>(grad_z, a.grad_z, b, channel, lanes, first, count);
}

template <class S, class T>
void scan_backward_item(
    const ScanArguments& a, ScanScratch<T>& scratch, ScanPartials<T>& partials, int64_t b, int64_t group) {
    constexpr int W = LANES<T>;
    const int states = (int)a.states;
    const int64_t first_channel = group * GROUP, chunks = ceil_divide(a.steps, CHUNK);
    const int group_blocks = (int)ceil_divide(std::min<int64_t>(GROUP, a.channels - first_channel), W);
    const T* grad_last = a.grad_last ? (const T*)a.grad_last + b * a.channels * states : nullptr;
    Vector<T> grad_D[BLOCKS<T>] = {}, grad_bias[BLOCKS<T>] = {};
    for (int k = 0; k < group_blocks; k++) {
        const int64_t channel = first_channel + k * W;
        const int lanes = (int)std::min<int64_t>(W, a.channels - channel);
        load_states<T>(scratch.A + k * states, (const T*)a.A, channel, lanes, states, LOG2_E<T>);
        load_states<T>(scratch.grad_state + k * states, grad_last, channel, lanes, states, 1);
    }
    std::fill_n((Vector<T>*)scratch.grad_A, group_blocks * states, Vector<T>{});
    for (int64_t chunk = chunks - 1; chunk >= 0; chunk--) {
        const int64_t first = chunk * CHUNK;
        const int count = (int)std::min<int64_t>(CHUNK, a.steps - first);
        load_maps<S, T>(scratch.B, a.B, b, states, first, count);
        load_maps<S, T>(scratch.C, a.C, b, states, first, count);
        std::fill_n((Vector<T>*)scratch.grad_B, count * states, Vector<T>{});
        std::fill_n((Vector<T>*)scratch.grad_C, count * states, Vector<T>{});
        for (int k = 0; k < group_blocks; k++)
            scan_backward_chunk<S, T>(a, scratch, b, first_channel + k * W, k, chunk, grad_D[k], grad_bias[k]);
        const int64_t row = ((group * a.batch + b) * a.steps + first) * states;
        for (int i = 0; i < count * states; i++) {
            partials.B[row + i] = sum_lanes<T>(scratch.grad_B[i]);
            partials.C[row + i] = sum_lanes<T>(scratch.grad_C[i]);
        }
    }
    for (int k = 0; k < group_blocks; k++) {
        const int64_t channel = first_channel + k * W, row = b * a.channels;
        const int lanes = (int)std::min<int64_t>(W, a.channels - channel);
        store_states<T>(scratch.grad_A + k * states, partials.A + row * states, channel, lanes, states);
        store_states<T>(scratch.grad_state + k * states, partials.initial + row * states, channel, lanes, states);
        store_lanes(partials.D + row + channel, grad_D[k], lanes);
        store_lanes(partials.bias + row + channel, grad_bias[k], lanes);
    }
}

// target[i] = sum over parts of partial[part, i], in order.
template <class T> void sum_parts(const T* partial, int64_t parts, int64_t count, void* target) {
    if (!target) return;
    T* sum = (T*)target;
    std::fill_n(sum, count, (T)0);
    for (int64_t part = 0; part < parts; part++)
        for (int64_t i = 0; i < count; i++) sum[i] += partial[part * count + i];
}

// One row of grad_B or grad_C: the sum over groups of channels, in the type and layout that sequences are stored in.
template <class S, class T>
void sum_groups(const T* partial, const ScanArguments& a, const Tensor3& grad, int64_t b, int64_t t, T* row) {
    const int64_t groups = ceil_divide(a.channels, GROUP), group_size = a.batch * a.steps * a.states;
    std::fill_n(row, a.states, (T)0);
    for (int64_t group = 0; group < groups; group++) {
        const T* part = partial + group * group_size + (b * a.steps + t) * a.states;
        for (int64_t n = 0; n < a.states; n++) row[n] += part[n];
    }
    S* target = (S*)grad.data + b * grad.batch + t * grad.step;
    for (int64_t n = 0; n < a.states; n++) store(target + n * grad.channel, row[n]);
}

template <class S, class T> void scan_backward(const ScanArguments& a) {
    const int64_t groups = ceil_divide(a.channels, GROUP);
    ScanPartials<T> partials(a);
#pragma omp parallel num_threads(a.threads) if (a.threads > 1)
    {
        ScanScratch<T> scratch((int)a.states);
        Array<T> row(a.states);
#pragma omp for schedule(static)
        for (int64_t item = 0; item < a.batch * groups; item++)
            scan_backward_item<S, T>(a, scratch, partials, item / groups, item % groups);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < a.batch * a.steps; i++) {
            sum_groups<S, T>(partials.B, a, a.grad_B, i / a.steps, i % a.steps, row);
            sum_groups<S, T>(partials.C, a, a.grad_C, i / a.steps, i % a.steps, row);
        }
    }
    sum_parts<T>(partials.A, a.batch, a.channels * a.states, a.grad_A);
    sum_parts<T>(partials.D, a.batch, a.channels, a.grad_D);
    sum_parts<T>(partials.bias, a.batch, a.channels, a.grad_bias);
    // where every sequence has its own initial state, its gradient is one part of all of them
    const int64_t parts = a.initial_batch == 0 ? a.batch : 1, sequences = a.initial_batch == 0 ? 1 : a.batch;
    sum_parts<T>(partials.initial, parts, sequences * a.channels * a.states, a.grad_initial);
}

// h = exp2(delta A) h + x B over the states of one channel, a vector holding neighbouring states; returns C h.
// delta is scaled by log2(e).
template <class T> ALWAYS_INLINE T step_states(T* h, const T* A, const T* B, const T* C, int states, T delta, T x) {
    constexpr int W = LANES<T>;
    Vector<T> sum = {};
    for (int n = 0; n < states; n += W) {
        const int lanes = std::min(W, states - n);
        const Vector<T> decay = exp2_vector(broadcast(delta) * load_lanes(A + n, lanes));
        const Vector<T> state = decay * load_lanes(h + n, lanes) + broadcast(x) * load_lanes(B + n, lanes);
        store_lanes(h + n, state, lanes);
        sum += state * load_lanes(C + n, lanes);
    }
    return sum_lanes<T>(sum);
}

// One step of the scan, in place on the state, which `initial` and `last` both point to.
template <class S, class T> void state_step(const ScanArguments& a) {
    constexpr int W = LANES<T>;
    const int64_t blocks = ceil_divide(a.channels, W);
    const int states = (int)a.states;
#pragma omp parallel for num_threads(a.threads) schedule(static) if (a.threads > 1)
    for (int64_t b = 0; b < a.batch; b++) {
        Array<T> B(states), C(states);
        load_maps<S, T>(B, a.B, b, states, 0, 1);
        load_maps<S, T>(C, a.C, b, states, 0, 1);
        for (int64_t block = 0; block < blocks; block++) {
            const int64_t channel = block * W;
            const int lanes = (int)std::min<int64_t>(W, a.channels - channel);
            ScanTiles<T> tiles;
            load_scan_tiles<S, T>(tiles, a, b, channel, lanes, 0, 1, 0);
            for (int i = 0; i < lanes; i++) {
                T* h = (T*)a.last + (b * a.channels + channel + i) * states;
                const T* A = (const T*)a.A + (channel + i) * states;
                tiles.y[0][i] +=
                    step_states<T>(h, A, B, C, states, tiles.delta[0][i] * LOG2_E<T>, tiles.x[0][i]);
            }
            if (a.z.data) tiles.y[0] *= tiles.z[0] * sigmoid_vector(tiles.z[0]);
            store_tile<S, T>(tiles.y, a.out, b, channel, lanes, 0, 1);
        }
    }
}

// The inputs of one block from `width - 1` steps before `first` on: [width - 1 + count].
template <class S, class T>
void load_inputs(
    Vector<T>* inputs, const ConvArguments& a, int64_t b, int64_t channel, int lanes, int64_t first, int count,
    int ahead) {
    const int before = (int)a.width - 1, initial = (int)std::max<int64_t>(0, before - first);
    std::fill_n(inputs, initial, Vector<T>{});
    if (a.initial.data) load_tile<S, T>(inputs, a.initial, b, channel, lanes, first, initial, 0);
    load_tile<S, T>(
        inputs + initial, a.x, b, channel, lanes, first - before + initial, count + before - initial, ahead);
}

// WIDTH zero stands for any width.
template <class T, int WIDTH>
ALWAYS_INLINE Vector<T> convolve(const Vector<T>* inputs, const Vector<T>* weight, Vector<T> bias, int width) {
    Vector<T> sum = bias;
    for (int tap = 0; tap < (WIDTH ? WIDTH : width); tap++) sum += weight[tap] * inputs[tap];
    return sum;
}

template <class S, class T, int WIDTH> void conv_forward_item(const ConvArguments& a, int64_t b, int64_t group_channel) {
    constexpr int W = LANES<T>;
    const int width = (int)a.width;
    const int64_t end = std::min<int64_t>(a.channels, group_channel + GROUP);
    Array<Vector<T>> weights(BLOCKS<T> * width), inputs(CHUNK + width - 1);
    for (int64_t channel = group_channel; channel < end; channel += W)
        load_states<T>(
            weights + (channel - group_channel) / W * width, (const T*)a.weight, channel,
            (int)std::min<int64_t>(W, end - channel), width, 1);
    for (int64_t first = 0; first < a.steps; first += CHUNK) {
        const int count = (int)std::min<int64_t>(CHUNK, a.steps - first);
        for (int64_t channel = group_channel; channel < end; channel += W) {
            const int lanes = (int)std::min<int64_t>(W, end - channel);
            const Vector<T>* weight = weights + (channel - group_channel) / W * width;
            const Vector<T> bias = load_channels<T>(a.bias, channel, lanes);
            Vector<T> y[CHUNK];
            load_inputs<S, T>(inputs, a, b, channel, lanes, first, count, CHUNK);
            for (int t = 0; t < count; t++) {
                y[t] = convolve<T, WIDTH>(inputs + t, weight, bias, width);
                if (a.silu) y[t] *= sigmoid_vector(y[t]);
            }
            store_tile<S, T>(y, a.out, b, channel, lanes, first, count);
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
    // gradients of the convolution's sums: of one chunk, and of the first steps of the chunk after it
    Array<Vector<T>> grad_sum(CHUNK + width - 1), inputs(CHUNK + width - 1), weight(width), grad_weight(width);
    load_states<T>(weight, (const T*)a.weight, channel, lanes, width, 1);
    std::fill_n((Vector<T>*)grad_weight, width, Vector<T>{});
    std::fill_n((Vector<T>*)grad_sum, width - 1, Vector<T>{});
    const Vector<T> bias = load_channels<T>(a.bias, channel, lanes);
    Vector<T> grad_bias = {}, grad_x[CHUNK];
    for (int64_t chunk = ceil_divide(a.steps, CHUNK) - 1; chunk >= 0; chunk--) {
        const int64_t first = chunk * CHUNK;
        const int count = (int)std::min<int64_t>(CHUNK, a.steps - first);
        load_inputs<S, T>(inputs, a, b, channel, lanes, first, count, -CHUNK);
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
    }
    // an initial column meets the first steps through the taps that reach back to it
    Array<Vector<T>> grad_initial(width);
    for (int column = 0; column < width - 1; column++) {
        grad_initial[column] = Vector<T>{};
        for (int tap = 0; tap <= column; tap++)
            grad_initial[column] += weight[tap] * grad_sum[column - tap];
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
            load_inputs<S, T>(inputs, a, b, channel, lanes, 0, 1, 0);
            Vector<T> y = convolve<T, 0>(inputs, weight, bias, width);
            if (a.silu) y *= sigmoid_vector(y);
            store_tile<S, T>(&y, a.out, b, channel, lanes, 0, 1);
            store_tile<S, T>(inputs + 1, a.initial, b, channel, lanes, 0, width - 1);
        }
    }
}

// state = decay state + input B over one row of states, a vector at a time; returns its product with C.
template <class T> ALWAYS_INLINE T step_row(T* state, const T* B, const T* C, int states, T decay, T input) {
    constexpr int W = LANES<T>;
    Vector<T> sum = {};
    for (int n = 0; n < states; n += W) {
        const int lanes = std::min(W, states - n);
        const Vector<T> next =
            broadcast(decay) * load_lanes(state + n, lanes) + broadcast(input) * load_lanes(B + n, lanes);
        store_lanes(state + n, next, lanes);
        sum += next * load_lanes(C + n, lanes);
    }
    return sum_lanes<T>(sum);
}

template <class S, class T> void ssd_step(const SsdStepArguments& a) {
    const int states = (int)a.states;
    const T *A = (const T*)a.A, *D = (const T*)a.D, *bias = (const T*)a.bias;
#pragma omp parallel for num_threads(a.threads) schedule(static) if (a.threads > 1)
    for (int64_t item = 0; item < a.batch * a.heads; item++) {
        const int64_t b = item / a.heads, head = item % a.heads, group = head / (a.heads / a.groups);
        Array<T> B(states), C(states);
        // the groups take the place of steps
        load_maps<S, T>(B, a.B, b, states, group, 1);
        load_maps<S, T>(C, a.C, b, states, group, 1);
        T delta = load((const S*)a.delta.data + b * a.delta.batch + head * a.delta.channel) + (bias ? bias[head] : 0);
        if (a.softplus) delta = std::max<T>(delta, 0) + std::log1p(std::exp(-std::fabs(delta)));
        delta = std::min((T)a.most_delta, std::max((T)a.least_delta, delta));
        const T decay = std::exp(delta * A[head]);
        for (int64_t p = 0; p < a.head_dim; p++) {
            const T x = load((const S*)a.x.data + b * a.x.batch + head * a.x.channel + p * a.x.step);
            T* state = (T*)a.state + (item * a.head_dim + p) * states;
            const T y = step_row<T>(state, B, C, states, decay, delta * x) + (D ? D[head] * x : 0);
            store((S*)a.out.data + b * a.out.batch + head * a.out.channel + p * a.out.step, y);
        }
    }
}

}  // namespace

#define FOR_STORAGE_TYPE(function, arguments, type)                          \
    if (type == FLOAT32) function<float, float>(*arguments);                 \
    else if (type == BFLOAT16) function<BFloat16, float>(*arguments);        \
    else function<double, double>(*arguments);

extern "C" {

enum StorageType { FLOAT32 = 0, BFLOAT16 = 1, FLOAT64 = 2 };

void selective_scan_forward(const ScanArguments* a, int64_t type) { FOR_STORAGE_TYPE(scan_forward, a, type) }
void selective_scan_backward(const ScanArguments* a, int64_t type) { FOR_STORAGE_TYPE(scan_backward, a, type) }
void selective_state_step(const ScanArguments* a, int64_t type) { FOR_STORAGE_TYPE(state_step, a, type) }
void causal_conv1d_forward(const ConvArguments* a, int64_t type) { FOR_STORAGE_TYPE(conv_forward, a, type) }
void causal_conv1d_backward(const ConvArguments* a, int64_t type) { FOR_STORAGE_TYPE(conv_backward, a, type) }
void causal_conv1d_step(const ConvArguments* a, int64_t type) { FOR_STORAGE_TYPE(conv_step, a, type) }
void ssd_state_step(const SsdStepArguments* a, int64_t type) { FOR_STORAGE_TYPE(ssd_step, a, type) }

}  // extern "C"
