// Short vectors of float or double, as wide as the target's registers, and the functions that the kernels need.
//
// Everything keeps IEEE semantics: NaN and infinities pass through, exp of a very negative number is exactly zero and
// exp of zero exactly one. Generic code is written with the compiler's vector extension, so that it builds for any
// processor; AVX-512 has instructions made for the range reduction of the exponential, and uses them.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)
constexpr int VECTOR_BYTES = 64;
#elif defined(__AVX2__)
constexpr int VECTOR_BYTES = 32;
#else
constexpr int VECTOR_BYTES = 16;
#endif

typedef float FloatVector __attribute__((vector_size(VECTOR_BYTES)));
typedef double DoubleVector __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t IntVector __attribute__((vector_size(VECTOR_BYTES)));

template <class T> struct VectorOf;
template <> struct VectorOf<float> { using type = FloatVector; };
template <> struct VectorOf<double> { using type = DoubleVector; };
template <class T> using Vector = typename VectorOf<T>::type;
template <class T> constexpr int LANES = VECTOR_BYTES / sizeof(T);

// A number stored as bfloat16: the upper half of a float.
struct BFloat16 { uint16_t bits; };

ALWAYS_INLINE float load(const float* p) { return *p; }
ALWAYS_INLINE double load(const double* p) { return *p; }
ALWAYS_INLINE float load(const BFloat16* p) {
    const uint32_t bits = (uint32_t)p->bits << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

ALWAYS_INLINE void store(float* p, float value) { *p = value; }
ALWAYS_INLINE void store(double* p, double value) { *p = value; }
ALWAYS_INLINE void store(BFloat16* p, float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    // rounding to nearest even could carry a NaN's payload into its sign
    const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    p->bits = (uint16_t)(value != value ? (bits >> 16) | 0x40 : rounded);
}

template <class T> ALWAYS_INLINE Vector<T> broadcast(T x) { return x - Vector<T>{}; }

template <class T> ALWAYS_INLINE Vector<T> load_vector(const T* p) {
    Vector<T> v;
    memcpy(&v, p, sizeof v);
    return v;
}

template <class T> ALWAYS_INLINE void store_vector(T* p, Vector<T> v) { memcpy(p, &v, sizeof v); }

// Sum over the lanes, by halving, in the same order on every call.
template <class T> ALWAYS_INLINE T sum_lanes(Vector<T> v) {
    typedef T HalfVector __attribute__((vector_size(VECTOR_BYTES / 2)));
    HalfVector lower, upper;
    memcpy(&lower, &v, sizeof lower);
    memcpy(&upper, (const char*)&v + sizeof lower, sizeof upper);
    const HalfVector pairs = lower + upper;
    T lanes[LANES<T> / 2];
    memcpy(lanes, &pairs, sizeof pairs);
    for (int half = LANES<T> / 4; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
    return lanes[0];
}

// 2^f for |f| <= 1/2: minimax polynomial with the constant term fixed to one, relative error 2e-9 before rounding.
ALWAYS_INLINE FloatVector exp2_fraction(FloatVector f) {
    FloatVector p = broadcast(1.5353362e-4f) * f + broadcast(1.3398874e-3f);
    p = p * f + broadcast(9.6184374e-3f);
    p = p * f + broadcast(5.5503325e-2f);
    p = p * f + broadcast(2.4022648e-1f);
    p = p * f + broadcast(6.9314720e-1f);
    return p * f + broadcast(1.0f);
}

ALWAYS_INLINE FloatVector exp2_vector(FloatVector x) {
#if defined(__AVX512DQ__)
    // infinite x has fraction zero, and scalef then gives zero or infinity
    const FloatVector fraction = (FloatVector)_mm512_reduce_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT);
    return (FloatVector)_mm512_scalef_ps((__m512)exp2_fraction(fraction), (__m512)(x - fraction));
#else
    // out of range, the scale below is exactly zero or infinite; the comparisons let NaN through
    const FloatVector lowest = broadcast(-127.0f), highest = broadcast(128.0f);
    x = lowest > x ? lowest : x;
    x = highest < x ? highest : x;
    // adding 1.5 * 2^23 leaves the nearest integer in the lower bits; 127 more make it the exponent of a float
    const FloatVector magic = broadcast(12582912.0f + 127.0f), shifted = x + magic;
    const FloatVector fraction = x - (shifted - magic);
    return exp2_fraction(fraction) * (FloatVector)((IntVector)shifted << 23);
#endif
}

// float64 exists for checks of the gradients; the library's function is fast enough for them.
ALWAYS_INLINE DoubleVector exp2_vector(DoubleVector x) {
    DoubleVector result;
    for (int i = 0; i < LANES<double>; i++) result[i] = exp2(x[i]);
    return result;
}

template <class T> constexpr T LOG2_E = (T)1.44269504088896340736;
template <class T> constexpr T LN_2 = (T)0.69314718055994530942;

ALWAYS_INLINE FloatVector exp_vector(FloatVector x) { return exp2_vector(x * broadcast(LOG2_E<float>)); }
ALWAYS_INLINE DoubleVector exp_vector(DoubleVector x) {
    DoubleVector result;
    for (int i = 0; i < LANES<double>; i++) result[i] = exp(x[i]);
    return result;
}

// log(1 + exp(x)), without cancellation at either end: max(x, 0) + log1p(y) with y = exp(-|x|),
// and log1p(y) = 2 artanh(y / (2 + y)) as a series whose argument is at most 1/3.
ALWAYS_INLINE FloatVector softplus_vector(FloatVector x) {
    const FloatVector zero = broadcast(0.0f);
    const FloatVector y = exp_vector(x < zero ? x : -x);
    const FloatVector s = y / (y + broadcast(2.0f)), q = s * s;
    FloatVector series = broadcast(1.0f / 13) * q + broadcast(1.0f / 11);
    series = series * q + broadcast(1.0f / 9);
    series = series * q + broadcast(1.0f / 7);
    series = series * q + broadcast(1.0f / 5);
    series = series * q + broadcast(1.0f / 3);
    series = series * q + broadcast(1.0f);
    return broadcast(2.0f) * s * series + (x > zero ? x : zero);
}
ALWAYS_INLINE DoubleVector softplus_vector(DoubleVector x) {
    DoubleVector result;
    for (int i = 0; i < LANES<double>; i++) result[i] = (x[i] > 0 ? x[i] : 0) + log1p(exp(-fabs(x[i])));
    return result;
}

template <class V> ALWAYS_INLINE V sigmoid_vector(V x) { return 1 / (1 + exp_vector(-x)); }
