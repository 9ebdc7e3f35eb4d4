/* Lanes put in another order, for elements that are numbers: every second element of two vectors, the two woven into
 * one another, and what a step of two elements in memory makes of that.
 */
#ifndef BF_ELEM_ORDER_H
#define BF_ELEM_ORDER_H

BF_OP bf_index bf_iota(void) {
    const bf_index iota = {BF_IOTA};
    return iota;
}
/* lane i is element i of the two end to end */
BF_OP V v_even(V a, V b) { return __builtin_shuffle(a, b, 2 * bf_iota()); }
BF_OP V v_odd(V a, V b) { return __builtin_shuffle(a, b, 2 * bf_iota() + 1); }
BF_OP bf_index bf_woven(bf_index place) { return (place >> 1) + BF_LANES * (place & 1); }
BF_OP V v_zip_low(V a, V b) { return __builtin_shuffle(a, b, bf_woven(bf_iota())); }
BF_OP V v_zip_high(V a, V b) { return __builtin_shuffle(a, b, bf_woven(bf_iota() + BF_LANES)); }

/* p[0], p[2], ..: the second vector begins one element early, so that nothing beyond the last one is read */
BF_OP V v_load_second(const E *p) {
    const bf_index iota = bf_iota(), late = 2 * iota >= BF_LANES;
    return __builtin_shuffle(v_load(p), v_load(p + BF_LANES - 1), 2 * iota - late);
}

#ifdef BF_MASKED_ODD
/* first n lanes to p[0], p[2], ..: what lies between is not written */
BF_OP void v_store_second(E *p, V x, int n) {
    const int low = 2 * n < BF_LANES ? 2 * n : BF_LANES, high = 2 * n - low;
    bf_store_even(p, v_zip_low(x, x), low);
    if (high) bf_store_even(p + BF_LANES, v_zip_high(x, x), high);
}
#endif

BF_OP V v_load_strided(const E *p, ptrdiff_t stride) {
    V x = v_zero();
    if (BF_LANES > 1 && __builtin_constant_p(stride) && stride == 2) return v_load_second(p);
#pragma GCC unroll 32
    for (int i = 0; i < BF_LANES; i++) x[i] = p[i * stride];
    return x;
}

BF_OP void v_store_strided(E *p, V x, int n, ptrdiff_t stride) {
#ifdef BF_MASKED_ODD
    if (__builtin_constant_p(stride) && stride == 2) {
        v_store_second(p, x, n);
        return;
    }
#endif
#pragma GCC unroll 32
    for (int i = 0; i < BF_LANES; i++)
        if (i < n) p[i * stride] = x[i];
}

#endif
