/* Functions made of comparisons, choices and single roundings, on whole vectors. At kinks and on NaN the values are
 * PyTorch's: relu keeps NaN and negative zero, and a derivative of 1 stands for a NaN that no comparison stops.
 */
#ifndef BF_ELEM_PLAIN_H
#define BF_ELEM_PLAIN_H

BF_OP V v_ones(void) { return v_zero() + (E)1; }

BF_OP E e_fn_relu(E x) { return x < 0 ? 0 : x; }
BF_OP V v_fn_relu(V x) { return v_pick(x < 0, v_zero(), x); }
BF_OP E e_fn_relu_prime(E x) { return x <= 0 ? 0 : 1; }
BF_OP V v_fn_relu_prime(V x) { return v_pick(x <= 0, v_zero(), v_ones()); }

BF_OP E e_fn_leaky_relu(E x, E negative_slope) { return x > 0 ? x : x * negative_slope; }
BF_OP V v_fn_leaky_relu(V x, V negative_slope) { return v_pick(x > 0, x, x * negative_slope); }
BF_OP E e_fn_leaky_relu_prime(E x, E negative_slope) { return x > 0 ? 1 : negative_slope; }
BF_OP V v_fn_leaky_relu_prime(V x, V negative_slope) { return v_pick(x > 0, v_ones(), negative_slope); }

BF_OP E e_fn_hardtanh(E x, E min_val, E max_val) {
    return x < min_val ? min_val : x > max_val ? max_val : x;
}
BF_OP V v_fn_hardtanh(V x, V min_val, V max_val) {
    return v_pick(x < min_val, min_val, v_pick(x > max_val, max_val, x));
}
BF_OP E e_fn_hardtanh_prime(E x, E min_val, E max_val) { return (x <= min_val) | (x >= max_val) ? 0 : 1; }
BF_OP V v_fn_hardtanh_prime(V x, V min_val, V max_val) {
    return v_pick((x <= min_val) | (x >= max_val), v_zero(), v_ones());
}

BF_OP E e_fn_recip(E x) { return 1 / x; }
BF_OP V v_fn_recip(V x) { return 1 / x; }

#ifdef BF_ELEMENT_FLOAT
BF_OP E e_fn_rsqrt(E x) { return 1 / __builtin_sqrtf(x); }
#else
BF_OP E e_fn_rsqrt(E x) { return 1 / __builtin_sqrt(x); }
#endif
/* gcc makes one vector instruction of the unrolled square roots */
BF_OP V v_fn_rsqrt(V x) {
#pragma GCC unroll 32
    for (int i = 0; i < BF_LANES; i++)
#ifdef BF_ELEMENT_FLOAT
        x[i] = __builtin_sqrtf(x[i]);
#else
        x[i] = __builtin_sqrt(x[i]);
#endif
    return 1 / x;
}

#endif
