/* Smooth functions on vectors of doubles: the forms that gcc keeps in vector registers from start to end.
 *
 * D is a machine vector of doubles, L the whole numbers of its lanes. There is no branch: every lane goes
 * every way and takes its own. Errors are of a few units of double's last place, and are measured
 * (codegen/accuracy.py); comments say where a form comes from and why it is stable.
 */
#ifndef BF_ELEM_CORE_H
#define BF_ELEM_CORE_H

typedef double D __attribute__((vector_size(BF_CORE_LANES * 8)));
typedef int64_t L __attribute__((vector_size(BF_CORE_LANES * 8)));
#define BF_CORE static inline __attribute__((always_inline, unused))

BF_CORE D d_of(double x) { return x - (D){0}; }
BF_CORE D d_pick(L where, D a, D b) { return (D)((~where & (L)b) | (where & (L)a)); }
BF_CORE D d_abs(D x) { return (D)((L)x & INT64_MAX); }
/* |x| with the sign of y */
BF_CORE D d_signed(D x, D y) { return (D)((L)d_abs(x) | ((L)y & INT64_MIN)); }
/* min and max that keep a NaN of x */
BF_CORE D d_between(D x, double low, double high) {
    return d_pick(x < low, d_of(low), d_pick(x > high, d_of(high), x));
}
BF_CORE D d_power_of_two(L n) { return (D)((n + 1023) << 52); }

/* sum of coefficient[i] * x^i, the last coefficient first */
#define BF_HORNER(x, coefficients) d_horner(x, coefficients, (int)(sizeof(coefficients) / sizeof(double)))
BF_CORE D d_horner(D x, const double *coefficients, int count) {
    D sum = d_of(coefficients[count - 1]);
#pragma GCC unroll 32
    for (int i = count - 2; i >= 0; i--) sum = sum * x + coefficients[i];
    return sum;
}

/* e^x = (1 + rest) * 2^(first + second): x is cut at multiples of log 2, and the rest is Taylor's */
typedef struct {
    D rest;
    L first, second;
} d_exponential;

BF_CORE d_exponential d_split_exp(D x) {
    static const double taylor[] = {
        1.0 / 2,      1.0 / 6,       1.0 / 24,       1.0 / 120,       1.0 / 720,        1.0 / 5040,
        1.0 / 40320,  1.0 / 362880,  1.0 / 3628800,  1.0 / 39916800,  1.0 / 479001600,  1.0 / 6227020800,
    };
    const double magic = 0x1.8p52;
    x = d_between(x, -800, 710);
    D shifted = x * 0x1.71547652b82fep+0 + magic, times = shifted - magic;
    D high = x - times * 0x1.62e42feep-1, low = times * 0x1.a39ef35793c76p-33; /* log 2 in two parts */
    D r = high - low, half = times * 0.5 + magic;
    d_exponential found;
    found.rest = high + (r * r * BF_HORNER(r, taylor) - low);
    found.first = (L)half - (L)d_of(magic);
    found.second = (L)shifted - (L)d_of(magic) - found.first;
    return found;
}
BF_CORE D d_scaled(D x, d_exponential by) {
    return x * d_power_of_two(by.first) * d_power_of_two(by.second);
}
BF_CORE D d_exp(D x) {
    d_exponential e = d_split_exp(x);
    return d_scaled(1 + e.rest, e);
}
/* e^x - 1 for x <= 0 */
BF_CORE D d_expm1(D x) {
    d_exponential e = d_split_exp(d_pick(x < -50, d_of(-50), x));
    D power = d_power_of_two(e.first + e.second);
    return d_pick(x == 0, x, e.rest * power + (power - 1));
}

/* log(mantissa * 2^exponent) + rest: fdlibm's series in f / (2 + f), f = mantissa - 1 */
BF_CORE D d_log_parts(D mantissa, D exponent, D rest) {
    static const double series[] = {
        6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
        1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01,
    };
    D f = mantissa - 1, s = f / (2 + f), z = s * s, half = 0.5 * f * f;
    D tail = s * (half + z * BF_HORNER(z, series)) + (exponent * 1.90821492927058770002e-10 + rest);
    return exponent * 6.93147180369123816490e-01 - ((half - tail) - f);
}
/* log x + rest for a finite x > 0 */
BF_CORE D d_log_with(D x, D rest) {
    const int64_t root_half = 0x3FE6A09E667F3BCD;
    L small = x < 0x1p-1022;
    D y = d_pick(small, x * 0x1p54, x);
    L bits = (L)y - root_half, exponent = bits >> 52;
    D mantissa = (D)((L)y - (exponent << 52));
    D e = __builtin_convertvector(exponent + (small & -54), D);
    return d_log_parts(mantissa, e, rest);
}
BF_CORE D d_log(D x) {
    D y = d_log_with(x, d_of(0));
    y = d_pick(x == 0, d_of(-__builtin_inf()), y);
    y = d_pick(x == __builtin_inf(), x, y);
    return d_pick((x < 0) | (x != x), d_of(__builtin_nan("")), y);
}
/* log(1 + x): what 1 + x loses is put back */
BF_CORE D d_log1p(D x) {
    D y = 1 + x, lost = d_pick(d_abs(x) < 1, x - (y - 1), 1 - (y - x));
    D z = d_log_with(y, lost / y);
    z = d_pick(x == 0, x, z);
    z = d_pick(x == -1, d_of(-__builtin_inf()), z);
    z = d_pick(x == __builtin_inf(), x, z);
    return d_pick((x < -1) | (x != x), d_of(__builtin_nan("")), z);
}
/* log(1 + e^-|x|) */
BF_CORE D d_log_rising(D x) { return d_log1p(d_exp(-d_abs(x))); }

/* e^-|x|, 1 + e^-|x|, and what rounding took from each, in parts of it */
typedef struct {
    D value, lost, more, more_lost;
} d_decay;
BF_CORE d_decay d_decay_of(d_exponential parts) {
    D power = 1 + parts.rest, value = d_scaled(power, parts), more = 1 + value;
    D lost = (parts.rest - (power - 1)) / power;
    return (d_decay){value, lost, more, ((value - (more - 1)) + value * lost) / more};
}
/* a quotient of such values, better by a known part of it; a float needs no better one */
BF_CORE D d_better(D quotient, D part) {
#ifdef BF_ELEMENT_FLOAT
    (void)part;
    return quotient;
#else
    return quotient + quotient * part;
#endif
}
BF_CORE d_decay d_decaying(D x) { return d_decay_of(d_split_exp(-d_abs(x))); }

BF_CORE D d_sigmoid(D x) {
    d_decay e = d_decaying(x);
    L falling = x < 0;
    return d_better(d_pick(falling, e.value, d_of(1)) / e.more, d_pick(falling, e.lost, d_of(0)) - e.more_lost);
}
/* factor e^-|x| / (1 + e^-|x|)^2, scaled last, so that a subnormal e^-|x| is never a factor */
BF_CORE D d_bump(D x, double factor) {
    d_exponential parts = d_split_exp(-d_abs(x));
    d_decay e = d_decay_of(parts);
    D quotient = factor * (1 + parts.rest) / (e.more * e.more);
    return d_scaled(d_better(quotient, e.lost - 2 * e.more_lost), parts);
}
BF_CORE D d_sigmoid_prime(D x) { return d_bump(x, 1); }
BF_CORE D d_log_sigmoid(D x) { return d_pick(x < 0, x, d_of(0)) - d_log_rising(x); }
BF_CORE D d_softplus(D x, D beta, D threshold) {
    D y = beta * x;
    return d_pick(y > threshold, x, (d_pick(y > 0, y, d_of(0)) + d_log_rising(y)) / beta);
}
BF_CORE D d_softplus_prime(D x, D beta, D threshold) {
    return d_pick(beta * x > threshold, d_of(1), d_sigmoid(beta * x));
}

/* near 0 a rational function (Cephes), else by the exponential */
BF_CORE D d_tanh(D x) {
    static const double above[] = {-1.61468768441708447952e3, -9.92877231001918586564e1,
                                   -9.64399179425052238628e-1};
    static const double below[] = {4.84406305325125486048e3, 2.23548839060100448583e3,
                                   1.12811678491632931402e2, 1.0};
    D z = x * x, small = x + x * (z * (BF_HORNER(z, above) / BF_HORNER(z, below)));
    D large = 1 - 2 / (d_exp(2 * d_abs(x)) + 1);
    return d_signed(d_pick(d_abs(x) < 0.625, small, large), x);
}
BF_CORE D d_tanh_prime(D x) { return d_bump(2 * x, 4); }

/* x e^x is scaled last as well */
BF_CORE D d_silu(D x) {
    d_exponential parts = d_split_exp(-d_abs(x));
    d_decay e = d_decay_of(parts);
    D falling = d_better(x * (1 + parts.rest) / e.more, e.lost - e.more_lost);
    falling = d_pick(x < -800, x * 0, d_scaled(falling, parts));
    return d_pick(x < 0, falling, x / e.more);
}
BF_CORE D d_silu_prime(D x) { return d_sigmoid(x) * (1 + x * d_sigmoid(-x)); }

BF_CORE D d_elu(D x, D alpha) { return d_pick(x > 0, x, alpha * d_expm1(x)); }
BF_CORE D d_elu_prime(D x, D alpha) { return d_pick(x <= 0, alpha * d_exp(x), d_of(1)); }

/* e^(-x x / 2) */
BF_CORE D d_bell(D x) { return d_exp(-0.5 * x * x); }
/* the normal distribution: beyond |x| there is bell(x) times Mills' ratio, a polynomial in (t - 5) / (t + 5)
   over 1 + t, exact to 2^-55 for t up to 40 and unused beyond (the bell is 0) */
BF_CORE D d_normal_share(D x, D bell) {
    static const double mills[] = {
        0.46151582985003775,     -0.0915522818340088,    0.03103036842596338,     0.010002352385204274,
        -0.026401042966303377,   0.024536963244480906,   -0.015170415402300888,   0.00652200065602172,
        -0.0016760723509154356,  7.791692131159477e-06,  0.0001823342156756057,   -5.3608037514625635e-05,
        -9.896519380427111e-06,  9.061184935388098e-06,  -6.883972175738501e-08,  -1.309925137980042e-06,
        1.2455844413329595e-07,  1.9880186832899552e-07, -2.186097318751282e-08,  -3.193142087507991e-08,
        3.5180215224753573e-10,  3.977719908272422e-09,  7.519514242694345e-10,
    };
    D t = d_between(d_abs(x), 0, 40), share = 1 / ((1 + t) * (t + 5));
    D w = (t - 5) * (1 + t) * share, tail = bell * (BF_HORNER(w, mills) * ((t + 5) * share));
    return d_pick(x < 0, tail, 1 - tail);
}
BF_CORE D d_gelu(D x) { return x * d_normal_share(x, d_bell(x)); }
BF_CORE D d_gelu_prime(D x) {
    D bell = d_bell(x);
    return d_normal_share(x, bell) + x * (bell * 0.39894228040143267794);
}
/* (1 + tanh u) / 2 is the sigmoid of 2 u */
BF_CORE D d_gelu_tanh_turn(D x) { return 1.59576912160573071176 * (x + 0.044715 * (x * x * x)); }
BF_CORE D d_gelu_tanh(D x) { return x * d_sigmoid(d_gelu_tanh_turn(x)); }
BF_CORE D d_gelu_tanh_prime(D x) {
    D y = d_gelu_tanh_turn(x), slope = 1.59576912160573071176 * (1 + 0.134145 * (x * x));
    return d_sigmoid(y) + x * (d_sigmoid_prime(y) * slope);
}

BF_CORE D d_least(D x, double least) { return d_pick(x < least, d_of(least), x); }
BF_CORE D d_log_clamped(D x) { return d_least(d_log(x), -100); }
BF_CORE D d_log_rest_clamped(D x) { return d_least(d_log1p(-x), -100); }
BF_CORE D d_bce_weight(D x) { return 1 / d_least(x * (1 - x), 1e-12); }

#endif
