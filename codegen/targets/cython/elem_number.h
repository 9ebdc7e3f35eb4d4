/* Elements that are machine numbers: float, double, and uint64_t modulo 2^64, as GCC vectors. */
#ifndef BF_ELEM_NUMBER_H
#define BF_ELEM_NUMBER_H

#if defined(BF_ELEMENT_FLOAT)
typedef float E;
typedef int32_t bf_lane_index;
#define BF_ELEMENT_SIZE 4
#elif defined(BF_ELEMENT_DOUBLE)
typedef double E;
typedef int64_t bf_lane_index;
#define BF_ELEMENT_SIZE 8
#else
typedef uint64_t E;
typedef int64_t bf_lane_index;
#endif

#define BF_OP static inline __attribute__((always_inline))

typedef E V __attribute__((vector_size(BF_LANES * sizeof(E))));
typedef E bf_loose __attribute__((vector_size(BF_LANES * sizeof(E)), aligned(sizeof(E)), may_alias));
typedef bf_lane_index bf_index __attribute__((vector_size(BF_LANES * sizeof(E))));

BF_OP E e_zero(void) { return (E)0; }
BF_OP E e_load(const E *p) { return *p; }
BF_OP void e_store(E *p, E x) { *p = x; }
BF_OP E e_fma(E acc, E a, E b) { return acc + a * b; }
BF_OP E e_add(E a, E b) { return a + b; }

BF_OP V v_zero(void) {
    V x = {0};
    return x;
}
BF_OP V v_load(const E *p) { return *(const bf_loose *)p; }
BF_OP void v_store(E *p, V x) { *(bf_loose *)p = x; }
/* x - 0 is x for every x, negative zero included */
BF_OP V v_splat(const E *p) { return *p - v_zero(); }
#ifdef BF_ELEMENT_UINT64
BF_OP E bf_e_rational(ptrdiff_t n, ptrdiff_t d) { return (void)d, (E)n; }
#else
BF_OP E bf_e_rational(ptrdiff_t n, ptrdiff_t d) { return (E)n / (E)d; }
#endif
BF_OP V bf_v_rational(ptrdiff_t n, ptrdiff_t d) { return bf_e_rational(n, d) - v_zero(); }
BF_OP V v_fma(V acc, V a, V b) { return acc + a * b; }
BF_OP V v_add(V a, V b) { return a + b; }

#include "elem_part.h"

#if BF_LANES == 32
#define BF_IOTA 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, \
        26, 27, 28, 29, 30, 31
#elif BF_LANES == 16
#define BF_IOTA 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
#elif BF_LANES == 8
#define BF_IOTA 0, 1, 2, 3, 4, 5, 6, 7
#elif BF_LANES == 4
#define BF_IOTA 0, 1, 2, 3
#elif BF_LANES == 2
#define BF_IOTA 0, 1
#else
#define BF_IOTA 0
#endif

#include "elem_order.h"

/* lane i takes lane i xor distance of x on top of its own, for distances L/2 .. 1: a balanced tree */
BF_OP E v_sum(V x) {
    const bf_index iota = {BF_IOTA};
#if BF_LANES >= 32
    x += __builtin_shuffle(x, iota ^ 16);
#endif
#if BF_LANES >= 16
    x += __builtin_shuffle(x, iota ^ 8);
#endif
#if BF_LANES >= 8
    x += __builtin_shuffle(x, iota ^ 4);
#endif
#if BF_LANES >= 4
    x += __builtin_shuffle(x, iota ^ 2);
#endif
#if BF_LANES >= 2
    x += __builtin_shuffle(x, iota ^ 1);
#endif
    (void)iota;
    return x[0];
}

#include "elem_select.h"
#ifndef BF_ELEMENT_UINT64
#include "elem_functions.h"
#endif

/* NaN, or, where there is none, numbers that no small combination of the data equals */
static inline __attribute__((unused)) void e_poison(E *p, ptrdiff_t n) {
#ifdef BF_ELEMENT_UINT64
    uint64_t state = 0x9E3779B97F4A7C15u;
    for (ptrdiff_t i = 0; i < n; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        p[i] = state;
    }
#else
    for (ptrdiff_t i = 0; i < n; i++) p[i] = (E)__builtin_nan("");
#endif
}

#endif
