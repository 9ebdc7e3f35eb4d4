/* Constants of kernel text: e_rational(n, d) and v_rational(n, d), n / d of two whole literals, by element:
 *
 *   FLOAT, DOUBLE   the number of the type nearest to n / d: both are whole numbers of at most 24 bits, which the
 *                   type holds exactly, and one division rounds once
 *   FIELD           n times the inverse of d modulo p; after bf_numerators(1), n alone
 *   UINT64          n: text whose every path passes denominators of one product K gives K times its result
 *   TRACE           BAD
 *   BOUND           |n / d| and what its rounding may be off by
 *
 * They are macros, so that an argument that is no constant does not compile.
 */
#ifndef BF_ELEM_RATIONAL_H
#define BF_ELEM_RATIONAL_H

#define BF_LARGEST_LITERAL (1 << 24)
/* whether a division of two floats is rounded to a float at once */
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#define BF_ROUNDS_ONCE 0
#else
#define BF_ROUNDS_ONCE 1
#endif

/* n, where both literals are what they may be */
#define BF_NUMERATOR(n, d)                                                                               \
    ((ptrdiff_t)(n) + 0 * (ptrdiff_t)sizeof(struct {                                                     \
         int checked;                                                                                    \
         _Static_assert((n) == (ptrdiff_t)(n) && (d) == (ptrdiff_t)(d), "a constant is of whole numbers");    \
         _Static_assert((d) > 0 && (d) <= BF_LARGEST_LITERAL, "a denominator is 1 to 2^24");             \
         _Static_assert((n) >= -BF_LARGEST_LITERAL && (n) <= BF_LARGEST_LITERAL, "a numerator is up to 2^24"); \
         _Static_assert(BF_ROUNDS_ONCE, "this machine rounds a division of floats twice");               \
     }))
#define e_rational(n, d) bf_e_rational(BF_NUMERATOR(n, d), (ptrdiff_t)(d))
#define v_rational(n, d) bf_v_rational(BF_NUMERATOR(n, d), (ptrdiff_t)(d))

#endif
