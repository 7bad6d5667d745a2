// The scan's arguments and tiles, for whole sequences and for single steps.
#pragma once

#include "tiles.h"

struct ScanArguments {
    int64_t batch, channels, steps, states, threads, softplus;
    // stride of the initial state over the batch; zero where all sequences share it
    int64_t initial_batch;
    Tensor3 u, delta, z, B, C, out;
    // contiguous, of type T: [channels, states], [channels], and [batch, channels, states]
    void *A, *D, *bias, *initial, *last;
    // [batch, blocks, chunks, states, lanes] of type T
    void* checkpoints;
    Tensor3 grad_out, grad_u, grad_delta, grad_z, grad_B, grad_C;
    void *grad_last, *grad_A, *grad_D, *grad_bias, *grad_initial;
    // as `pieces_of` takes it
    void* starts;
};

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
