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
