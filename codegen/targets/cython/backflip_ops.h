/* The element operations that generated kernel text may use, and the choice of what an element is.
 *
 * Kernel text knows two opaque types, E (one element) and V (BF_LANES elements), and the functions
 * below; it never does arithmetic on them itself. What an element is, is chosen when the C file is
 * compiled, so that the very text that ships is also run on whole numbers modulo 2^64 and on symbolic
 * traces:
 *
 *   -DBF_ELEMENT_FLOAT    float       shipped
 *   -DBF_ELEMENT_DOUBLE   double      shipped
 *   -DBF_ELEMENT_UINT64   uint64_t, arithmetic modulo 2^64             (validation)
 *   -DBF_ELEMENT_FIELD    uint64_t, arithmetic modulo 2^61 - 1, functions are unknown (validation)
 *   -DBF_ELEMENT_TRACE    which set of the definition's terms it is    (validation)
 *   -DBF_ELEMENT_BOUND    how far rounding can take a result, -DBF_DIGITS=24 or 53 (validation)
 *   -DBF_LANES=n          elements in a V, a power of two up to 32
 *   -DBF_MARKS            record branch marks in a shipped element type too (validation)
 *
 * Operations (all lane-wise unless said otherwise):
 *   E e_zero(void)                     E e_load(const E *p)          void e_store(E *p, E x)
 *   E e_fma(E acc, E a, E b)           E e_add(E a, E b)             [acc + a * b, a + b]
 *   V v_zero(void)                     V v_load(const E *p)          void v_store(E *p, V x)
 *   V v_load_part(const E *p, int n)   void v_store_part(E *p, V x, int n)   [first n lanes; rest exact zero]
 *   V v_load_strided(const E *p, ptrdiff_t stride)                   [lane i is p[i * stride]]
 *   void v_store_strided(E *p, V x, int n, ptrdiff_t stride)         [p[i * stride] is lane i, for i < n]
 *   V v_load_span(const E *p, int f, int n)   [lane f + i is p[i], for i < n; the other lanes exact zero]
 *   V v_even(V a, V b)   V v_odd(V a, V b)    [of a, b end to end the elements 0, 2, ..  and 1, 3, ..]
 *   V v_zip_low(V a, V b)   V v_zip_high(V a, V b)   [a0 b0 a1 b1 ..: the first and the second half of it]
 *   V v_splat(const E *p)              [every lane is *p]
 *   V v_fma(V acc, V a, V b)           V v_add(V a, V b)             E v_sum(V x)   [all lanes added]
 *   V v_held(V x)                      [x; in shipped builds it then is in a register and not read again]
 *   void v_kept(V x)                   [nothing; in shipped builds x is in its register until then]
 *   void v_transpose(E *to, const E *from, ptrdiff_t m, ptrdiff_t n)   [to[i * m + j] = from[j * n + i], i, j < lanes]
 *   void e_anew(void)                  [nothing; in shipped builds what is loaded after it is read again]
 *   void e_apart(void)                 [nothing; in shipped builds no vector is in a register across it]
 *   void e_prefetch(const E *p)        [a hint; p may be any address]
 *   E e_index(ptrdiff_t n)             V v_index(ptrdiff_t n, ptrdiff_t m)   [n; lane i is n + i * m]
 *   E e_rational(n, d)                 V v_rational(n, d)            [n / d of two literals, see elem_rational.h]
 *   E e_sub(E a, E b)  E e_mul(E a, E b)   V v_sub(V a, V b)  V v_mul(V a, V b)   [never fused]
 *   E e_gate(E a, E b)                 V v_gate(V a, V b)            [a * b, and 0 where b is 0]
 *   E e_same(E a, E b)                 V v_same(V a, V b)            [flag: 1 where a is b, else 0]
 *   E e_larger(E code, E best, E x)    V v_larger(V, V, V)           [flag: x is taken in place of best]
 *   E e_smaller(E code, E best, E x)   V v_smaller(V, V, V)          [the same for the smallest]
 *   E e_choose(E flag, E a, E b)       V v_choose(V flag, V a, V b)  [a where the flag is 1, else b; bits copied]
 *   E e_fn_NAME(E x, parameters...)    V v_fn_NAME(V x, parameters...)   [see elem_function_list.h]
 *   void bf_branch(int id)             [mark of an integer dispatch; nothing in shipped builds]
 *   void e_poison(E *p, ptrdiff_t n)   [NaN / garbage / BAD; never called by kernels]
 * Loads and stores need the alignment of E only. Compile with -ffp-contract=fast (or -std=gnu11) so
 * that acc + a * b is one fused operation where the machine has it, and with -Wno-psabi (vectors wider
 * than the machine's are passed between inlined functions only).
 *
 * UINT64 has no larger, smaller and functions: text that uses them does not compile there. TRACE knows sums of
 * products alone; of everything else it makes BAD. BOUND has no bound for selections and functions.
 *
 * Class builds (UINT64, FIELD, TRACE, BOUND) also export, for the validator alone, bf_marks() and bf_marks_reset();
 * TRACE exports the functions of trace_verdict.h, FIELD bf_numerators(). They are found by their symbol in the
 * shared object, so generated text never mentions them.
 */
#ifndef BACKFLIP_OPS_H
#define BACKFLIP_OPS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef BF_LANES
#error "BF_LANES is not given: compile with -DBF_LANES=n, the lane count that the text was generated for"
#endif
#if BF_LANES < 1 || BF_LANES > 32 || (BF_LANES & (BF_LANES - 1))
#error "BF_LANES must be 1, 2, 4, 8, 16 or 32"
#endif
#if defined(BF_ELEMENT_FLOAT) + defined(BF_ELEMENT_DOUBLE) + defined(BF_ELEMENT_UINT64) + \
        defined(BF_ELEMENT_FIELD) + defined(BF_ELEMENT_TRACE) + defined(BF_ELEMENT_BOUND) != 1
#error "choose one element: -DBF_ELEMENT_FLOAT, _DOUBLE, _UINT64, _FIELD, _TRACE or _BOUND"
#endif

/* an operation that an element does not have is an error, not a function to be found later */
#pragma GCC diagnostic error "-Wimplicit-function-declaration"

#if defined(BF_ELEMENT_UINT64) || defined(BF_ELEMENT_FIELD) || defined(BF_ELEMENT_TRACE) || \
        defined(BF_ELEMENT_BOUND) || defined(BF_MARKS)
#include "bf_marks.h"
#else
static inline void bf_branch(int id) { (void)id; }
#endif

#include "elem_rational.h"
#ifdef BF_ELEMENT_TRACE
#include "elem_trace.h"
#elif defined(BF_ELEMENT_BOUND)
#include "elem_bound.h"
#elif defined(BF_ELEMENT_FIELD)
#include "elem_field.h"
#else
#include "elem_number.h"
#endif

#include "elem_moves.h"

#define BF_ELEMENT_BYTES ((ptrdiff_t)sizeof(E))

/* What comes after this header is calls of operations that stay functions: making those calls shorter takes gcc three
   times as long as it saves. The operations themselves are compiled at the level of the command line. */
#if defined(BF_ELEMENT_FIELD) || defined(BF_ELEMENT_TRACE) || defined(BF_ELEMENT_BOUND)
#pragma GCC optimize("O0")
#endif

#endif
