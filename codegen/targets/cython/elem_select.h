/* Whole numbers as elements, plain differences and products, and choices that copy, for elements that are numbers.
 *
 * A flag is the element 1 or 0. A choice copies bits: NaN, infinities and negative zero pass unchanged, and
 * nothing is multiplied by a flag.
 */
#ifndef BF_ELEM_SELECT_H
#define BF_ELEM_SELECT_H

/* A product that no later sum is fused with. */
#if (defined(__x86_64__) || defined(__i386__)) && defined(__AVX512F__)
#define BF_WIDEST 64
#elif (defined(__x86_64__) || defined(__i386__)) && defined(__AVX__)
#define BF_WIDEST 32
#elif defined(__x86_64__)
#define BF_WIDEST 16
#endif

BF_OP E e_index(ptrdiff_t n) { return (E)n; }
BF_OP E e_sub(E a, E b) { return a - b; }
BF_OP E e_same(E a, E b) { return (E)(a == b); }
BF_OP E e_choose(E flag, E a, E b) { return flag != 0 ? a : b; }

BF_OP V v_index(ptrdiff_t first, ptrdiff_t second) {
    const bf_index iota = {BF_IOTA};
    return __builtin_convertvector((bf_lane_index)first + iota * (bf_lane_index)second, V);
}
BF_OP V v_sub(V a, V b) { return a - b; }
BF_OP V v_flag(bf_index where) {
    const V one = v_zero() + (E)1;
    return (V)(where & (bf_index)one);
}
/* in this order gcc makes one blend of it, in the other three operations */
BF_OP V v_pick(bf_index where, V a, V b) { return (V)((~where & (bf_index)b) | (where & (bf_index)a)); }
BF_OP V v_same(V a, V b) { return v_flag(a == b); }
/* a flag's bits are all zero or the bits of 1, so its bits are compared, and comparison and choice become one */
#if defined(__AVX512F__)
/* asked the other way round gcc merges under a mask in one operation, where the flag is of two comparisons too */
BF_OP V v_choose(V flag, V a, V b) {
    const bf_index off = (bf_index)flag == 0;
    return (V)((off & (bf_index)b) | (~off & (bf_index)a));
}
#else
BF_OP V v_choose(V flag, V a, V b) { return v_pick((bf_index)flag != 0, a, b); }
#endif

/* a * b, and 0 where b is 0 whatever a is: an infinite gradient does not pass where the derivative is 0 */
BF_OP E e_gate(E a, E b) { return b != 0 ? a * b : (E)0; }
BF_OP V v_gate(V a, V b) { return v_pick((bf_index)(b != 0), a * b, v_zero()); }

#ifdef BF_ELEMENT_UINT64
BF_OP E e_mul(E a, E b) { return a * b; }
BF_OP V v_mul(V a, V b) { return a * b; }
#else
BF_OP E e_mul(E a, E b) { return __builtin_assoc_barrier(a * b); }
#ifdef BF_WIDEST
BF_OP V v_mul(V a, V b) {
    V x = a * b;
#if BF_LANES * BF_ELEMENT_SIZE >= 16 && BF_LANES * BF_ELEMENT_SIZE <= BF_WIDEST
    __asm__("" : "+v"(x));
    return x;
#else
    return __builtin_assoc_barrier(x);
#endif
}
#else
BF_OP V v_mul(V a, V b) { return __builtin_assoc_barrier(a * b); }
#endif

/* Whether x is taken in place of best: it is beyond it, or NaN, or nothing was taken yet (code below 0). */
BF_OP E e_larger(E code, E best, E x) { return (E)((x > best) | (x != x) | (code < 0)); }
BF_OP E e_smaller(E code, E best, E x) { return (E)((x < best) | (x != x) | (code < 0)); }
BF_OP V v_larger(V code, V best, V x) { return v_flag((x > best) | (x != x) | (code < 0)); }
BF_OP V v_smaller(V code, V best, V x) { return v_flag((x < best) | (x != x) | (code < 0)); }
#endif

#endif
