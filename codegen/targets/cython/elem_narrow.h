/* Functions on vectors of floats in float arithmetic, where that is exact enough; without a branch, as in elem_core.h.
 * The error of each is measured (codegen/accuracy.py), with fused operations and without.
 */
#ifndef BF_ELEM_NARROW_H
#define BF_ELEM_NARROW_H

/* low <= x <= high, a NaN of x kept; and x * 2^n for a whole number n, rounded once */
#if defined(__AVX512F__) && BF_LANES == 16
#include <immintrin.h>
BF_OP V n_between(V x, float low, float high) {
    return (V)_mm512_min_ps(_mm512_set1_ps(high), _mm512_max_ps(_mm512_set1_ps(low), (__m512)x));
}
BF_OP V n_scaled(V x, V n) { return (V)_mm512_scalef_ps((__m512)x, (__m512)n); }
#else
BF_OP V n_between(V x, float low, float high) {
    x = v_pick(x < low, v_zero() + low, x);
    return v_pick(x > high, v_zero() + high, x);
}
BF_OP V n_power_of_two(bf_index n) { return (V)((n + 127) << 23); }
/* in two steps, so that a result below the least normal number is rounded in the second alone */
BF_OP V n_scaled(V x, V n) {
    const V magic = v_zero() + 0x1.8p23f;
    bf_index whole = (bf_index)(n + magic) - (bf_index)magic, half = whole >> 1;
    return x * n_power_of_two(half) * n_power_of_two(whole - half);
}
#endif

/* e^x = (1 + rest) * 2^n: x is cut at multiples of log 2, whose first part times n is exact, and the rest is Taylor's */
BF_OP V n_exp(V x) {
    const float magic = 0x1.8p23f;
    x = n_between(x, -104, 89);
    V shifted = x * 0x1.715476p+0f + magic, times = shifted - magic;
    V r = x - times * 0x1.62e4p-1f - times * 0x1.7f7d1cp-20f;
    V sum = v_zero() + 1.0f / 5040;
    sum = sum * r + 1.0f / 720;
    sum = sum * r + 1.0f / 120;
    sum = sum * r + 1.0f / 24;
    sum = sum * r + 1.0f / 6;
    sum = sum * r + 0.5f;
    V power = 1 + (r + r * r * sum);
    return n_scaled(power, times);
}

#endif
