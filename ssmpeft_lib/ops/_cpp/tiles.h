// What the kernels share: how Python describes its arguments, how work is cut up, and tiles of sequences.
//
// The interface is plain C: pointers and strides in structs, all of whose fields take eight bytes. S is the type that
// sequences are stored in (float, bfloat16, double), T the type of the arithmetic (float, double).
//
// Work is cut into items of one sequence and GROUP channels, whatever the number of threads, and what several items
// add to is summed afterwards in a fixed order. So the results do not depend on the number of threads, bit for bit.
// Within an item, a vector holds neighbouring channels ("a block"), and time advances in chunks of CHUNK steps.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include "vector.h"

enum StorageType { FLOAT32 = 0, BFLOAT16 = 1, FLOAT64 = 2 };

#define FOR_STORAGE_TYPE(function, arguments, type)                          \
    if (type == FLOAT32) function<float, float>(*arguments);                 \
    else if (type == BFLOAT16) function<BFloat16, float>(*arguments);        \
    else function<double, double>(*arguments);

// Strides count elements, in the order batch, channel (or state), step. No data: the argument was not given.
struct Tensor3 { void* data; int64_t batch, channel, step; };

constexpr int CHUNK = 32;
constexpr int GROUP = 128;
template <class T> constexpr int BLOCKS = GROUP / LANES<T>;

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

ALWAYS_INLINE int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Steps of a sequence that are computed at once. They are of one document, and a grid of CHUNK steps cuts them too.
struct Piece {
    int64_t first, document;  // its first step, and that of its document
    int count;

    bool begins_document() const { return first == document; }
};

// The pieces of sequence b. `starts` is true where a document starts, [batch, steps]; without it there is one document.
inline std::vector<Piece> pieces_of(const void* starts, int64_t b, int64_t steps) {
    const bool* here = starts ? (const bool*)starts + b * steps : nullptr;
    std::vector<Piece> pieces;
    pieces.reserve(ceil_divide(steps, CHUNK));
    for (int64_t first = 0, document = 0; first < steps; first += pieces.back().count) {
        int64_t end = std::min(steps, (first / CHUNK + 1) * CHUNK);
        if (here) {
            if (here[first]) document = first;
            end = std::find(here + first + 1, here + end, true) - here;
        }
        pieces.push_back({first, document, (int)(end - first)});
    }
    return pieces;
}

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
    constexpr int W = LANES<T>;
    if (!source || lanes < W) std::fill_n(target, states, Vector<T>{});
    if (!source) return;
    T* values = (T*)target;
    for (int i = 0; i < lanes; i++)
        for (int n = 0; n < states; n++) values[n * W + i] = source[(channel + i) * states + n] * scale;
}

template <class T> void store_states(const Vector<T>* source, T* target, int64_t channel, int lanes, int states) {
    constexpr int W = LANES<T>;
    const T* values = (const T*)source;
    for (int i = 0; i < lanes; i++)
        for (int n = 0; n < states; n++) target[(channel + i) * states + n] = values[n * W + i];
}

// target[i] = sum over parts of partial[part, i], in order.
template <class T> void sum_parts(const T* partial, int64_t parts, int64_t count, void* target) {
    if (!target) return;
    T* sum = (T*)target;
    std::fill_n(sum, count, (T)0);
    for (int64_t part = 0; part < parts; part++)
        for (int64_t i = 0; i < count; i++) sum[i] += partial[part * count + i];
}
