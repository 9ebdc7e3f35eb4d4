/* Elements of the field of numbers modulo p = 2^61 - 1, each kept below p; every function but the inverse is a mixing
 * of bits, keyed by the function's number (NUMBER in derive/functions.py), so that two expressions in
 * unknown functions agree by chance with a probability that is bounded, and else not at all.
 */
#ifndef BF_ELEM_FIELD_H
#define BF_ELEM_FIELD_H

typedef uint64_t E;
typedef struct {
    E lane[BF_LANES];
} V;

#define BF_HELPER static __attribute__((noinline, unused))
#define BF_SMALL static inline __attribute__((unused))
#define BF_P 0x1FFFFFFFFFFFFFFFu

BF_SMALL E e_zero(void) { return 0; }
BF_SMALL E e_load(const E *p) { return *p; }
BF_SMALL void e_store(E *p, E x) { *p = x; }
BF_SMALL E e_add(E a, E b) {
    uint64_t sum = a + b;
    return sum >= BF_P ? sum - BF_P : sum;
}
BF_SMALL E e_sub(E a, E b) { return a >= b ? a - b : a + BF_P - b; }
BF_SMALL E e_mul(E a, E b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return e_add((uint64_t)product & BF_P, (uint64_t)(product >> 61));
}
BF_SMALL E e_gate(E a, E b) { return e_mul(a, b); }
BF_SMALL E e_fma(E acc, E a, E b) { return e_add(acc, e_mul(a, b)); }
BF_SMALL E e_index(ptrdiff_t n) {
    int64_t rest = (int64_t)n % (int64_t)BF_P;
    return rest < 0 ? (E)(rest + (int64_t)BF_P) : (E)rest;
}
BF_SMALL E e_same(E a, E b) { return a == b; }
BF_SMALL E e_choose(E flag, E a, E b) { return flag ? a : b; }
/* entries compared as whole numbers; the code of nothing is -1 */
BF_SMALL E e_larger(E code, E best, E x) { return x > best || code == BF_P - 1; }
BF_SMALL E e_smaller(E code, E best, E x) { return x < best || code == BF_P - 1; }

BF_SMALL uint64_t field_mix(uint64_t z) {
    z += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}
BF_SMALL E field_of(uint64_t z) { return z % BF_P; }

/* x^(p - 2); 0 of 0 */
BF_HELPER E e_fn_recip(E x) {
    E power = x, result = 1;
    for (uint64_t rest = BF_P - 2; rest; rest >>= 1) {
        if (rest & 1) result = e_mul(result, power);
        power = e_mul(power, power);
    }
    return result;
}

/* n / d, or, once the validator has said so, n alone: the numerators of a text with its denominators left out */
static int field_numerators;
BF_EXPORT void bf_numerators(int alone);
void bf_numerators(int alone) { field_numerators = alone; }
BF_HELPER E bf_e_rational(ptrdiff_t n, ptrdiff_t d) {
    static struct {
        ptrdiff_t of;
        E inverse;
    } known[64];
    if (d == 1 || field_numerators) return e_index(n);
    if (known[d & 63].of != d) known[d & 63].of = d, known[d & 63].inverse = e_fn_recip((E)d);
    return e_mul(e_index(n), known[d & 63].inverse);
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
BF_HELPER E v_sum(V x) {
    E total = x.lane[0];
    for (int i = 1; i < BF_LANES; i++) total = e_add(total, x.lane[i]);
    return total;
}

BF_LANEWISE_2(add)
BF_LANEWISE_2(sub)
BF_LANEWISE_2(mul)
BF_LANEWISE_2(gate)
BF_LANEWISE_2(same)
BF_LANEWISE_3(fma)
BF_LANEWISE_3(choose)
BF_LANEWISE_3(larger)
BF_LANEWISE_3(smaller)

BF_HELPER V v_fn_recip(V x) {
    for (int i = 0; i < BF_LANES; i++) x.lane[i] = e_fn_recip(x.lane[i]);
    return x;
}

/* f(x, q...): the mixed argument, mixed again with each parameter */
#define BF_SMOOTH_OF_1(name, number)                                                                  \
    BF_HELPER E e_fn_##name(E x) { return field_of(field_mix(x ^ field_mix(number))); }               \
    BF_HELPER V v_fn_##name(V x) {                                                                    \
        for (int i = 0; i < BF_LANES; i++) x.lane[i] = e_fn_##name(x.lane[i]);                        \
        return x;                                                                                     \
    }
#define BF_SMOOTH_OF_2(name, number)                                                                  \
    BF_HELPER E e_fn_##name(E x, E q) {                                                               \
        return field_of(field_mix(field_mix(x ^ field_mix(number)) ^ q));                             \
    }                                                                                                 \
    BF_HELPER V v_fn_##name(V x, V q) {                                                               \
        for (int i = 0; i < BF_LANES; i++) x.lane[i] = e_fn_##name(x.lane[i], q.lane[i]);             \
        return x;                                                                                     \
    }
#define BF_SMOOTH_OF_3(name, number)                                                                  \
    BF_HELPER E e_fn_##name(E x, E q, E r) {                                                          \
        return field_of(field_mix(field_mix(field_mix(x ^ field_mix(number)) ^ q) ^ r));              \
    }                                                                                                 \
    BF_HELPER V v_fn_##name(V x, V q, V r) {                                                          \
        for (int i = 0; i < BF_LANES; i++) x.lane[i] = e_fn_##name(x.lane[i], q.lane[i], r.lane[i]);  \
        return x;                                                                                     \
    }
#define BF_NARROW_OF_1(name, number) BF_SMOOTH_OF_1(name, number)
#define BF_PLAIN_OF_1(name, number) BF_SMOOTH_OF_1(name, number)
#define BF_PLAIN_OF_2(name, number) BF_SMOOTH_OF_2(name, number)
#define BF_PLAIN_OF_3(name, number) BF_SMOOTH_OF_3(name, number)
#define BF_WIDE_OF_1(name, number) BF_SMOOTH_OF_1(name, number)
#define BF_WIDE_OF_3(name, number) BF_SMOOTH_OF_3(name, number)
#define BF_SCALAR_OF_2(name, number) BF_SMOOTH_OF_2(name, number)
#define BF_UNKNOWN(name, number) BF_SMOOTH_OF_1(name, number)
#define BF_INVERSE(name, number)
#include "elem_function_list.h"

/* numbers that no small combination of the data equals */
BF_HELPER void e_poison(E *p, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i++) p[i] = field_of(field_mix((uint64_t)i + 0xBACF11Fu));
}

#endif
