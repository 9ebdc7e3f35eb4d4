/* Vectors of the class elements, whose V is a struct of lanes: moves, and operations made of the element's.
 *
 * Included after E, V, BF_HELPER and the element's own e_zero.
 */
#ifndef BF_ELEM_LANES_H
#define BF_ELEM_LANES_H

BF_HELPER V v_load_part(const E *p, int n) {
    V x;
    for (int i = 0; i < BF_LANES; i++) x.lane[i] = i < n ? p[i] : e_zero();
    return x;
}
BF_HELPER void v_store_part(E *p, V x, int n) {
    for (int i = 0; i < n; i++) p[i] = x.lane[i];
}
BF_HELPER V v_zero(void) { return v_load_part(NULL, 0); }
BF_HELPER V v_load(const E *p) { return v_load_part(p, BF_LANES); }
BF_HELPER void v_store(E *p, V x) { v_store_part(p, x, BF_LANES); }
BF_HELPER void v_store_strided(E *p, V x, int n, ptrdiff_t stride) {
    for (int i = 0; i < n; i++) p[i * stride] = x.lane[i];
}
BF_HELPER V v_load_strided(const E *p, ptrdiff_t stride) {
    V x;
    for (int i = 0; i < BF_LANES; i++) x.lane[i] = p[i * stride];
    return x;
}
BF_HELPER V v_load_span(const E *p, int first, int n) {
    V x;
    for (int i = 0; i < BF_LANES; i++) x.lane[i] = i >= first && i < first + n ? p[i - first] : e_zero();
    return x;
}
/* every second element of a and b end to end, from the first or the second on */
BF_SMALL V lanes_second(V a, V b, int from) {
    V x;
    for (int i = 0; i < BF_LANES; i++) {
        const int at = 2 * i + from;
        x.lane[i] = at < BF_LANES ? a.lane[at] : b.lane[at - BF_LANES];
    }
    return x;
}
BF_HELPER V v_even(V a, V b) { return lanes_second(a, b, 0); }
BF_HELPER V v_odd(V a, V b) { return lanes_second(a, b, 1); }
/* BF_LANES elements of a0 b0 a1 b1 .. */
BF_SMALL V lanes_zipped(V a, V b, int from) {
    V x;
    for (int i = 0; i < BF_LANES; i++)
        x.lane[i] = (i + from) % 2 ? b.lane[(i + from) / 2] : a.lane[(i + from) / 2];
    return x;
}
BF_HELPER V v_zip_low(V a, V b) { return lanes_zipped(a, b, 0); }
BF_HELPER V v_zip_high(V a, V b) { return lanes_zipped(a, b, BF_LANES); }
BF_HELPER V v_splat(const E *p) { return v_load_strided(p, 0); }

/* an operation of elements on each lane */
#define BF_LANEWISE_2(name)                                                             \
    BF_HELPER V v_##name(V a, V b) {                                                    \
        for (int i = 0; i < BF_LANES; i++) a.lane[i] = e_##name(a.lane[i], b.lane[i]);  \
        return a;                                                                       \
    }
#define BF_LANEWISE_3(name)                                                                        \
    BF_HELPER V v_##name(V a, V b, V c) {                                                          \
        for (int i = 0; i < BF_LANES; i++) a.lane[i] = e_##name(a.lane[i], b.lane[i], c.lane[i]);  \
        return a;                                                                                  \
    }

#endif
