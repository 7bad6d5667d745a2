// Selective scan, forward and backward. The state before each chunk is kept; the backward recomputes the states within
// a chunk from it. Each document of a sequence starts from the initial state.
#include <type_traits>

#include "scan.h"

namespace {

// As many states at once as there are registers for.
constexpr int MOST_STATES = VECTOR_BYTES == 64 ? 16 : 8;

// Calls f(size, first) for tiles of states that cover all of them, each with a size known to the compiler.
template <class F> ALWAYS_INLINE void for_state_tiles(int states, F f) {
    int n = 0;
    for (; states - n >= MOST_STATES; n += MOST_STATES) f(std::integral_constant<int, MOST_STATES>{}, n);
    for (; states - n >= 4; n += 4) f(std::integral_constant<int, 4>{}, n);
    for (; n < states; n++) f(std::integral_constant<int, 1>{}, n);
}

// Advances `states` of N states through a chunk and adds their part of C h to y. A is scaled by log2(e).
template <class T, int N>
void advance(
    ScanTiles<T>& tiles, int count, const Vector<T>* A, Vector<T>* states, const T* B, const T* C, int stride) {
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
    for (const Piece& piece : pieces_of(a.starts, b, a.steps)) {
        const int64_t first = piece.first;
        const int count = piece.count;
        load_maps<S, T>(B, a.B, b, states, first, count);
        load_maps<S, T>(C, a.C, b, states, first, count);
        for (int k = 0; k < group_blocks; k++) {
            const int64_t channel = group_channel + k * W;
            const int lanes = (int)std::min<int64_t>(W, a.channels - channel);
            Vector<T>* block_h = h + k * states;
            if (piece.begins_document()) load_states<T>(block_h, initial, channel, lanes, states, 1);
            if (a.checkpoints && first % CHUNK == 0) {
                Vector<T>* checkpoints = (Vector<T>*)a.checkpoints;
                const int64_t chunk = first / CHUNK;
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
    // of the group's blocks, [blocks, states]: A, the gradient of the state after the present piece, and those of A and
    // of the initial state
    Array<Vector<T>> A, grad_state, grad_A, grad_initial;
    // of one block: the initial state
    Array<Vector<T>> initial;
    // of one chunk and tile of states: [CHUNK, tile] and [CHUNK + 1, tile]
    Array<Vector<T>> decay, h;
    // of one chunk, summed over the group's blocks: [CHUNK, states]
    Array<Vector<T>> grad_B, grad_C;
    Array<T> B, C;

    explicit ScanScratch(int states)
        : A(BLOCKS<T> * states), grad_state(BLOCKS<T> * states), grad_A(BLOCKS<T> * states),
          grad_initial(BLOCKS<T> * states), initial(states),
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
    Array<T> B, C;        // [groups, batch, steps, states]
    Array<T> A, initial;  // [batch, channels, states]
    Array<T> D, bias;     // [batch, channels]

    explicit ScanPartials(const ScanArguments& a)
        : B(ceil_divide(a.channels, GROUP) * a.batch * a.steps * a.states),
          C(ceil_divide(a.channels, GROUP) * a.batch * a.steps * a.states),
          A(a.batch * a.channels * a.states), initial(a.batch * a.channels * a.states),
          D(a.batch * a.channels), bias(a.batch * a.channels) {}
};

// One piece of one block: all gradients but those of A and the state, which go on to the piece before.
template <class S, class T>
void scan_backward_piece(
    const ScanArguments& a, ScanScratch<T>& scratch, int64_t b, int64_t channel, int k, const Piece& piece,
    Vector<T>& grad_D, Vector<T>& grad_bias) {
    constexpr int W = LANES<T>;
    const int states = (int)a.states, lanes = (int)std::min<int64_t>(W, a.channels - channel);
    const int64_t first = piece.first, chunks = ceil_divide(a.steps, CHUNK), blocks = ceil_divide(a.channels, W);
    const int count = piece.count;
    const Vector<T>* checkpoint =
        (const Vector<T>*)a.checkpoints + ((b * blocks + channel / W) * chunks + first / CHUNK) * states;
    if (piece.begins_document()) {
        const T* initial = a.initial ? (const T*)a.initial + b * a.initial_batch : nullptr;
        load_states<T>(scratch.initial, initial, channel, lanes, states, 1);
        checkpoint = scratch.initial;
    }
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
    if (piece.begins_document()) {
        Vector<T>* grad_state = scratch.grad_state + k * states;
        for (int n = 0; n < states; n++) scratch.grad_initial[k * states + n] += grad_state[n];
        std::fill_n(grad_state, states, Vector<T>{});
    }
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
    const int64_t first_channel = group * GROUP;
    const std::vector<Piece> pieces = pieces_of(a.starts, b, a.steps);
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
    std::fill_n((Vector<T>*)scratch.grad_initial, group_blocks * states, Vector<T>{});
    for (auto piece = pieces.rbegin(); piece != pieces.rend(); piece++) {
        const int64_t first = piece->first;
        const int count = piece->count;
        load_maps<S, T>(scratch.B, a.B, b, states, first, count);
        load_maps<S, T>(scratch.C, a.C, b, states, first, count);
        std::fill_n((Vector<T>*)scratch.grad_B, count * states, Vector<T>{});
        std::fill_n((Vector<T>*)scratch.grad_C, count * states, Vector<T>{});
        for (int k = 0; k < group_blocks; k++)
            scan_backward_piece<S, T>(a, scratch, b, first_channel + k * W, k, *piece, grad_D[k], grad_bias[k]);
        const int64_t row = ((group * a.batch + b) * a.steps + first) * states;
        for (int i = 0; i < count * states; i++) {
            partials.B[row + i] = sum_lanes<T>(scratch.grad_B[i]);
            partials.C[row + i] = sum_lanes<T>(scratch.grad_C[i]);
        }
    }
    for (int k = 0; k < group_blocks; k++) {
        const int64_t channel = first_channel + k * W, row = b * a.channels;
        const int lanes = (int)std::min<int64_t>(W, a.channels - channel);
        // of a sequence without steps, the last state is the initial one
        Vector<T>* grad_initial = scratch.grad_initial + k * states;
        for (int n = 0; n < states; n++) grad_initial[n] += scratch.grad_state[k * states + n];
        store_states<T>(scratch.grad_A + k * states, partials.A + row * states, channel, lanes, states);
        store_states<T>(grad_initial, partials.initial + row * states, channel, lanes, states);
        store_lanes(partials.D + row + channel, grad_D[k], lanes);
        store_lanes(partials.bias + row + channel, grad_bias[k], lanes);
    }
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

}  // namespace

extern "C" void selective_scan_forward(const ScanArguments* a, int64_t type) {
    FOR_STORAGE_TYPE(scan_forward, a, type)
}

extern "C" void selective_scan_backward(const ScanArguments* a, int64_t type) {
    FOR_STORAGE_TYPE(scan_backward, a, type)
}
