// Single steps of the scans of Mamba and Mamba-2, in place on the state, for decoding.
#include "scan.h"

// One step of Mamba-2. The second stride of x and out is that of heads, the third that of a head's dimensions.
struct SsdStepArguments {
    int64_t batch, heads, head_dim, groups, states, threads, softplus;
    double least_delta, most_delta;
    Tensor3 x, delta, B, C, out;
    // contiguous, of type T: [heads], and [batch, heads, head_dim, states]
    void *A, *D, *bias, *state;
};

namespace {

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
            T delta[W], x[W], y[W] = {};
            store_vector(delta, tiles.delta[0] * broadcast(LOG2_E<T>));
            store_vector(x, tiles.x[0]);
            for (int i = 0; i < lanes; i++) {
                T* h = (T*)a.last + (b * a.channels + channel + i) * states;
                y[i] = step_states<T>(h, (const T*)a.A + (channel + i) * states, B, C, states, delta[i], x[i]);
            }
            tiles.y[0] += load_vector(y);
            if (a.z.data) tiles.y[0] *= tiles.z[0] * sigmoid_vector(tiles.z[0]);
            store_tile<S, T>(tiles.y, a.out, b, channel, lanes, 0, 1);
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

extern "C" void selective_state_step(const ScanArguments* a, int64_t type) { FOR_STORAGE_TYPE(state_step, a, type) }
extern "C" void ssd_state_step(const SsdStepArguments* a, int64_t type) { FOR_STORAGE_TYPE(ssd_step, a, type) }
