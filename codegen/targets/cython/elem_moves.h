/* Moves that every element has: blocks transposed, values held in registers, memory asked for in advance. */
#ifndef BF_ELEM_MOVES_H
#define BF_ELEM_MOVES_H

#define BF_MOVE static inline __attribute__((always_inline, unused))

#if defined(BF_ELEMENT_FLOAT) || defined(BF_ELEMENT_DOUBLE)

#if defined(__AVX512F__)
#define BF_NATIVE_BYTES 64
#elif defined(__AVX__)
#define BF_NATIVE_BYTES 32
#else
#define BF_NATIVE_BYTES 16
#endif

/* without it gcc reads a vector from memory once for each use of it */
BF_MOVE V v_held(V x) {
#if defined(__x86_64__)
    if (sizeof(V) >= 16 && sizeof(V) <= BF_NATIVE_BYTES) __asm__("" : "+v"(x));
#elif defined(__aarch64__)
    if (sizeof(V) == 16) __asm__("" : "+w"(x));
#endif
    return x;
}
/* without it gcc may write a sum of products to the register of a factor that is not read again; sums that
   change registers within a loop take more of them than there are sums */
BF_MOVE void v_kept(V x) {
#if defined(__x86_64__)
    if (sizeof(V) >= 16 && sizeof(V) <= BF_NATIVE_BYTES) __asm__ volatile("" : : "v"(x));
#elif defined(__aarch64__)
    if (sizeof(V) == 16) __asm__ volatile("" : : "w"(x));
#endif
    (void)x;
}
/* without it gcc keeps vectors for a second use, and where registers are few puts them on the stack */
BF_MOVE void e_anew(void) { __asm__ volatile("" : : : "memory"); }
/* without it gcc leaves constants of the loops around in registers, until sums within have too few */
BF_MOVE void e_apart(void) {
#if defined(__x86_64__)
    __asm__ volatile("" : : : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                     "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
#endif
}
BF_MOVE void e_prefetch(const E *p) { __builtin_prefetch(p, 0, 3); }

/* step by step lanes at distance d change places between rows at distance d; a function of its own, for else
   its constants take registers from the loops around it */
static __attribute__((noinline, unused)) void v_transpose(E *to, const E *from, ptrdiff_t m, ptrdiff_t n) {
    const bf_index iota = {BF_IOTA};
    V x[BF_LANES];
#pragma GCC unroll 32
    for (int i = 0; i < BF_LANES; i++) x[i] = v_load(from + i * n);
#pragma GCC unroll 8
    for (int d = 1; d < BF_LANES; d *= 2) {
        const bf_index low = (iota & d) == 0;
        const bf_index upper = (low & iota) | (~low & (iota - d + BF_LANES));
        const bf_index lower = (low & (iota + d)) | (~low & (iota + BF_LANES));
#pragma GCC unroll 32
        for (int i = 0; i < BF_LANES; i++)
            if (!(i & d)) {
                V a = __builtin_shuffle(x[i], x[i + d], upper), b = __builtin_shuffle(x[i], x[i + d], lower);
                x[i] = a, x[i + d] = b;
            }
    }
#pragma GCC unroll 32
    for (int i = 0; i < BF_LANES; i++) v_store(to + i * m, x[i]);
}

#else

BF_MOVE V v_held(V x) { return x; }
BF_MOVE void v_kept(V x) { (void)x; }
BF_MOVE void e_apart(void) {}
BF_MOVE void e_anew(void) {}
BF_MOVE void e_prefetch(const E *p) { (void)p; }
BF_MOVE void v_transpose(E *to, const E *from, ptrdiff_t m, ptrdiff_t n) {
    for (int i = 0; i < BF_LANES; i++)
        for (int j = 0; j < BF_LANES; j++) e_store(to + i * m + j, e_load(from + j * n + i));
}

#endif

#endif
