/* Smooth functions one lane at a time, wider than an element: double for float, long double for double. Each is the form
 * that is stable over the whole range; infinities and NaN go the way of PyTorch's own formula.
 */
#ifndef BF_ELEM_WIDE_H
#define BF_ELEM_WIDE_H

#ifdef BF_ELEMENT_FLOAT
typedef double bf_wide;
#define BF_WIDE(function) function
#else
typedef long double bf_wide;
#define BF_WIDE(function) function##l
#endif

#define BF_WIDE_OP static inline __attribute__((unused))
#define BF_ROOT_HALF ((bf_wide)0.70710678118654752440084436210484904L)    /* sqrt(1/2) */
#define BF_ROOT_HALF_PI ((bf_wide)0.39894228040143267793994605993438187L) /* 1 / sqrt(2 pi) */
#define BF_TANH_SLOPE ((bf_wide)1.59576912160573071175978423973752747L)   /* 2 sqrt(2 / pi) */
#define BF_TANH_CUBE ((bf_wide)0.044715L)

BF_WIDE_OP bf_wide wide_exp(bf_wide x) { return BF_WIDE(exp)(x); }
BF_WIDE_OP bf_wide wide_log1p(bf_wide x) { return BF_WIDE(log1p)(x); }

BF_WIDE_OP bf_wide wide_sigmoid(bf_wide x) { return 1 / (1 + wide_exp(-x)); }
BF_WIDE_OP bf_wide wide_sigmoid_prime(bf_wide x) { return 1 / ((1 + wide_exp(-x)) * (1 + wide_exp(x))); }
BF_WIDE_OP bf_wide wide_log_rising(bf_wide x) { return wide_log1p(wide_exp(x < 0 ? x : -x)); }
BF_WIDE_OP bf_wide wide_softplus(bf_wide x, bf_wide beta, bf_wide threshold) {
    bf_wide y = beta * x;
    return y > threshold ? x : ((y > 0 ? y : 0) + wide_log_rising(y)) / beta;
}
BF_WIDE_OP bf_wide wide_softplus_prime(bf_wide x, bf_wide beta, bf_wide threshold) {
    return beta * x > threshold ? 1 : wide_sigmoid(beta * x);
}

BF_WIDE_OP bf_wide wide_silu_prime(bf_wide x) { return wide_sigmoid(x) * (1 + x * wide_sigmoid(-x)); }

BF_WIDE_OP bf_wide wide_gelu_share(bf_wide x) { return BF_WIDE(erfc)(-x * BF_ROOT_HALF) / 2; }
BF_WIDE_OP bf_wide wide_gelu(bf_wide x) { return x * wide_gelu_share(x); }
BF_WIDE_OP bf_wide wide_gelu_prime(bf_wide x) {
    return wide_gelu_share(x) + x * (wide_exp(-x * x / 2) * BF_ROOT_HALF_PI);
}
/* (1 + tanh u) / 2 is the sigmoid of 2 u */
BF_WIDE_OP bf_wide wide_gelu_tanh(bf_wide x) {
    return x * wide_sigmoid(BF_TANH_SLOPE * (x + BF_TANH_CUBE * x * x * x));
}
BF_WIDE_OP bf_wide wide_gelu_tanh_prime(bf_wide x) {
    bf_wide y = BF_TANH_SLOPE * (x + BF_TANH_CUBE * x * x * x);
    bf_wide slope = BF_TANH_SLOPE * (1 + 3 * BF_TANH_CUBE * x * x);
    return wide_sigmoid(y) + x * (wide_sigmoid_prime(y) * slope);
}

/* squares, square roots and the like need no logarithm */
BF_WIDE_OP bf_wide wide_raise(bf_wide x, bf_wide p) {
    const bf_wide half = (bf_wide)0.5;
    return p == 2 ? x * x
         : p == 1 ? x
         : p == 0 ? 1
         : p == half ? BF_WIDE(sqrt)(x)
         : p == -half ? 1 / BF_WIDE(sqrt)(x)
         : BF_WIDE(pow)(x, p);
}
BF_WIDE_OP bf_wide wide_power(bf_wide x, bf_wide norm_type) { return wide_raise(x, norm_type); }
BF_WIDE_OP bf_wide wide_power_prime(bf_wide x, bf_wide norm_type) {
    return norm_type == 0 ? 0 : norm_type * wide_raise(x, norm_type - 1);
}
/* x + 0 turns negative zero, which has no sign here, into zero */
BF_WIDE_OP bf_wide wide_root(bf_wide x, bf_wide norm_type) { return wide_raise(x + 0, 1 / norm_type); }
BF_WIDE_OP bf_wide wide_root_prime(bf_wide x, bf_wide norm_type) {
    return x == 0 ? 0 : wide_raise(x, 1 / norm_type - 1) / norm_type;
}

#endif
