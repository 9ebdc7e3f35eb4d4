/* Elements that say how far a computation of this text in floating point can be from its exact result.
 *
 * `size` is at least the magnitude of the exact value: the same schedule on magnitudes, every difference a sum.
 * `error` is at least |computed - exact|, one rounding of relative size u = 2^-BF_DIGITS for each operation that
 * can round, with or without fused operations and for every order inside v_sum. An exact zero (size 0, error 0)
 * takes part in no rounding. Sizes and errors are sums and products of numbers that are not negative, so that
 * the double arithmetic here is off by few units in the last place a step: BF_UP puts more than that on top.
 * Never shipped; what has no bound here (functions, selections) is NaN.
 */
#ifndef BF_ELEM_BOUND_H
#define BF_ELEM_BOUND_H

#if BF_DIGITS != 24 && BF_DIGITS != 53
#error "BF_ELEMENT_BOUND needs the digits of the shipped element: -DBF_DIGITS=24 or 53"
#endif

typedef struct {
    double size, error;
} E;
typedef struct {
    E lane[BF_LANES];
} V;

#define BF_HELPER static __attribute__((noinline, unused))
#define BF_SMALL static inline __attribute__((unused))
#define BF_UP (1 + 0x1p-48)
#if BF_DIGITS == 24
#define BF_UNIT 0x1p-24
#define BF_TINY 0x1p-149
#else
#define BF_UNIT 0x1p-53
#define BF_TINY 0x1p-1074
#endif

BF_SMALL E bound_of(double size, double error) {
    E x;
    x.size = size * BF_UP, x.error = error * BF_UP;
    return x;
}
BF_SMALL int bound_zero(E x) { return x.size == 0 && x.error == 0; }
BF_SMALL double bound_reach(E x) { return x.size + x.error; }

BF_SMALL E e_zero(void) { return bound_of(0, 0); }
BF_SMALL E e_load(const E *p) { return *p; }
BF_SMALL void e_store(E *p, E x) { *p = x; }
BF_SMALL E e_add(E a, E b) {
    if (bound_zero(a)) return b;
    if (bound_zero(b)) return a;
    return bound_of(a.size + b.size, a.error + b.error + BF_UNIT * (bound_reach(a) + bound_reach(b)));
}
BF_SMALL E e_sub(E a, E b) { return e_add(a, b); }
BF_SMALL E e_mul(E a, E b) {
    if (bound_zero(a) || bound_zero(b)) return e_zero();
    double inherited = a.size * b.error + a.error * b.size + a.error * b.error;
    return bound_of(a.size * b.size, inherited + BF_UNIT * (bound_reach(a) * bound_reach(b)) + BF_TINY);
}
/* a product that is rounded, and then a sum that is: a fused operation rounds no more */
BF_SMALL E e_fma(E acc, E a, E b) { return e_add(acc, e_mul(a, b)); }
BF_SMALL E bf_e_rational(ptrdiff_t n, ptrdiff_t d) {
    double size = (double)(n < 0 ? -n : n) / (double)d;
    return bound_of(size, (d & (d - 1)) ? BF_UNIT * size : 0);
}
BF_SMALL E e_index(ptrdiff_t n) {
    double size = n < 0 ? -(double)n : (double)n;
    return bound_of(size, size <= BF_LARGEST_LITERAL ? 0 : BF_UNIT * size);
}

#include "elem_lanes.h"
BF_HELPER V bf_v_rational(ptrdiff_t n, ptrdiff_t d) {
    const E x = bf_e_rational(n, d);
    return v_splat(&x);
}
BF_HELPER V v_index(ptrdiff_t first, ptrdiff_t second) {
    V x;
    for (int i = 0; i < BF_LANES; i++) x.lane[i] = e_index(first + i * second);
    return x;
}
BF_LANEWISE_2(add)
BF_LANEWISE_2(sub)
BF_LANEWISE_2(mul)
BF_LANEWISE_3(fma)
/* any order: of n lanes that are not zero, n - 1 sums, none beyond (1 + u)^n times what all lanes reach */
BF_HELPER E v_sum(V x) {
    double size = 0, error = 0;
    int live = 0;
    for (int i = 0; i < BF_LANES; i++)
        if (!bound_zero(x.lane[i])) size += x.lane[i].size, error += x.lane[i].error, live++;
    if (live > 1) error += (live - 1) * BF_UNIT * (size + error) * (1 + 2 * live * BF_UNIT);
    return bound_of(size, error);
}

BF_HELPER void e_poison(E *p, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i++) p[i] = bound_of(__builtin_nan(""), __builtin_nan(""));
}

BF_HELPER E e_lost(void) { return bound_of(__builtin_nan(""), __builtin_nan("")); }
BF_HELPER V v_lost(void) {
    const E lost = e_lost();
    return v_splat(&lost);
}
#include "elem_lost.h"
BF_LOST_2(gate)
BF_LOST_2(same)
BF_LOST_3(larger)
BF_LOST_3(smaller)
BF_LOST_3(choose)

#endif
