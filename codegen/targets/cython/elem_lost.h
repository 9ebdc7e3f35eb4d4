/* Operations that an element has no meaning for: whatever they are given, e_lost() and v_lost(). Functions all are. */
#ifndef BF_ELEM_LOST_H
#define BF_ELEM_LOST_H

#define BF_LOST_1(name) \
    BF_SMALL E e_##name(E a) { return (void)a, e_lost(); } \
    BF_SMALL V v_##name(V a) { return (void)a, v_lost(); }
#define BF_LOST_2(name) \
    BF_SMALL E e_##name(E a, E b) { return (void)a, (void)b, e_lost(); } \
    BF_SMALL V v_##name(V a, V b) { return (void)a, (void)b, v_lost(); }
#define BF_LOST_3(name) \
    BF_SMALL E e_##name(E a, E b, E c) { return (void)a, (void)b, (void)c, e_lost(); } \
    BF_SMALL V v_##name(V a, V b, V c) { return (void)a, (void)b, (void)c, v_lost(); }

#define BF_SMOOTH_OF_1(name, number) BF_LOST_1(fn_##name)
#define BF_SMOOTH_OF_2(name, number) BF_LOST_2(fn_##name)
#define BF_SMOOTH_OF_3(name, number) BF_LOST_3(fn_##name)
#define BF_NARROW_OF_1(name, number) BF_LOST_1(fn_##name)
#define BF_PLAIN_OF_1(name, number) BF_LOST_1(fn_##name)
#define BF_PLAIN_OF_2(name, number) BF_LOST_2(fn_##name)
#define BF_PLAIN_OF_3(name, number) BF_LOST_3(fn_##name)
#define BF_WIDE_OF_1(name, number) BF_LOST_1(fn_##name)
#define BF_WIDE_OF_3(name, number) BF_LOST_3(fn_##name)
#define BF_SCALAR_OF_2(name, number) BF_LOST_2(fn_##name)
#define BF_UNKNOWN(name, number) BF_LOST_1(fn_##name)
#define BF_INVERSE(name, number) BF_LOST_1(fn_##name)
#include "elem_function_list.h"

#endif
