/* The functions of derive/functions.py on elements that are float or double: in vectors of doubles where that is exact
 * enough, else one lane at a time. An element alone is a vector of itself, so it has the same value in both.
 */
#ifndef BF_ELEM_FUNCTIONS_H
#define BF_ELEM_FUNCTIONS_H

#include <math.h>

#include "elem_plain.h"
#include "elem_wide.h"

#define BF_SLOW static __attribute__((noinline, unused, const))

/* A vector of float is two of double, one after the other; a vector of double is one. */
#if defined(BF_ELEMENT_FLOAT) && BF_LANES > 1
#define BF_PARTS 2
#else
#define BF_PARTS 1
#endif
#define BF_CORE_LANES (BF_LANES / BF_PARTS)
#include "elem_core.h"

typedef E bf_part __attribute__((vector_size(sizeof(V) / BF_PARTS)));
typedef union {
    V whole;
    bf_part part[BF_PARTS];
} bf_parted;

BF_OP D d_part(V x, int i) { return __builtin_convertvector(((bf_parted){.whole = x}).part[i], D); }
#define BF_EACH_PART(value)                                                                             \
    bf_parted found;                                                                                    \
    for (int i = 0; i < BF_PARTS; i++) found.part[i] = __builtin_convertvector(value, bf_part);         \
    return found.whole;
#define BF_EACH_LANE(value)                                 \
    for (int i = 0; i < BF_LANES; i++) x[i] = (E)(value);   \
    return x;
BF_OP V v_all(E x) { return x - v_zero(); }

#define BF_ALONE_1(name) BF_SLOW E e_fn_##name(E x) { return v_fn_##name(v_all(x))[0]; }
#define BF_ALONE_2(name) BF_SLOW E e_fn_##name(E x, E q) { return v_fn_##name(v_all(x), v_all(q))[0]; }
#define BF_ALONE_3(name) \
    BF_SLOW E e_fn_##name(E x, E q, E r) { return v_fn_##name(v_all(x), v_all(q), v_all(r))[0]; }

#define BF_SMOOTH_OF_1(name, number) \
    BF_SLOW V v_fn_##name(V x) { BF_EACH_PART(d_##name(d_part(x, i))) } BF_ALONE_1(name)
#define BF_SMOOTH_OF_2(name, number) \
    BF_SLOW V v_fn_##name(V x, V q) { BF_EACH_PART(d_##name(d_part(x, i), d_part(q, i))) } BF_ALONE_2(name)
#define BF_SMOOTH_OF_3(name, number)                                                   \
    BF_SLOW V v_fn_##name(V x, V q, V r) {                                             \
        BF_EACH_PART(d_##name(d_part(x, i), d_part(q, i), d_part(r, i)))               \
    }                                                                                  \
    BF_ALONE_3(name)

#define BF_LANEWISE_1(name)                                             \
    BF_SLOW E e_fn_##name(E x) { return (E)wide_##name(x); }            \
    BF_SLOW V v_fn_##name(V x) { BF_EACH_LANE(wide_##name(x[i])) }
#define BF_LANEWISE_2(name)                                             \
    BF_SLOW E e_fn_##name(E x, E q) { return (E)wide_##name(x, q); }    \
    BF_SLOW V v_fn_##name(V x, V q) { BF_EACH_LANE(wide_##name(x[i], q[i])) }
#define BF_LANEWISE_3(name)                                                   \
    BF_SLOW E e_fn_##name(E x, E q, E r) { return (E)wide_##name(x, q, r); }  \
    BF_SLOW V v_fn_##name(V x, V q, V r) { BF_EACH_LANE(wide_##name(x[i], q[i], r[i])) }

#ifdef BF_ELEMENT_FLOAT
#include "elem_narrow.h"
#define BF_NARROW_OF_1(name, number) BF_OP V v_fn_##name(V x) { return n_##name(x); } BF_ALONE_1(name)
#define BF_WIDE_OF_1(name, number) BF_SMOOTH_OF_1(name, number)
#define BF_WIDE_OF_3(name, number) BF_SMOOTH_OF_3(name, number)
#else
#define BF_NARROW_OF_1(name, number) BF_SMOOTH_OF_1(name, number)
#define BF_WIDE_OF_1(name, number) BF_LANEWISE_1(name)
#define BF_WIDE_OF_3(name, number) BF_LANEWISE_3(name)
#endif
#define BF_SCALAR_OF_2(name, number) BF_LANEWISE_2(name)
#define BF_PLAIN_OF_1(name, number)
#define BF_PLAIN_OF_2(name, number)
#define BF_PLAIN_OF_3(name, number)
#define BF_INVERSE(name, number)
#define BF_UNKNOWN(name, number)
#include "elem_function_list.h"

#endif
