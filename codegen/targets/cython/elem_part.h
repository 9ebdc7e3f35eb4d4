/* The first n lanes of a vector, or n from any one on, in one masked instruction, where the machine has one of this width. */
#ifndef BF_ELEM_PART_H
#define BF_ELEM_PART_H

/* a sanitizer sees copies, and does not look into masked instructions */
#ifndef __SANITIZE_ADDRESS__
#define BF_MASKED
#endif

#if defined(BF_MASKED) && defined(__AVX512F__) && defined(BF_ELEMENT_FLOAT) && BF_LANES == 16
#include <immintrin.h>
#define BF_MASK(n) ((__mmask16)((1u << (n)) - 1))
BF_OP V v_load_part(const E *p, int n) { return (V)_mm512_maskz_loadu_ps(BF_MASK(n), p); }
BF_OP void v_store_part(E *p, V x, int n) { _mm512_mask_storeu_ps(p, BF_MASK(n), (__m512)x); }
BF_OP V v_load_span(const E *p, int first, int n) {
    return (V)_mm512_maskz_loadu_ps((__mmask16)(BF_MASK(n) << first), p - first);
}
#define BF_MASKED_ODD
/* of the first n lanes every second one */
BF_OP void bf_store_even(E *p, V x, int n) { _mm512_mask_storeu_ps(p, BF_MASK(n) & 0x5555, (__m512)x); }

#elif defined(BF_MASKED) && defined(__AVX512F__) && defined(BF_ELEMENT_DOUBLE) && BF_LANES == 8
#include <immintrin.h>
#define BF_MASK(n) ((__mmask8)((1u << (n)) - 1))
BF_OP V v_load_part(const E *p, int n) { return (V)_mm512_maskz_loadu_pd(BF_MASK(n), p); }
BF_OP void v_store_part(E *p, V x, int n) { _mm512_mask_storeu_pd(p, BF_MASK(n), (__m512d)x); }
BF_OP V v_load_span(const E *p, int first, int n) {
    return (V)_mm512_maskz_loadu_pd((__mmask8)(BF_MASK(n) << first), p - first);
}
#define BF_MASKED_ODD
/* of the first n lanes every second one */
BF_OP void bf_store_even(E *p, V x, int n) { _mm512_mask_storeu_pd(p, BF_MASK(n) & 0x55, (__m512d)x); }

#elif defined(BF_MASKED) && defined(__AVX2__) && defined(BF_ELEMENT_FLOAT) && BF_LANES == 8
#include <immintrin.h>
#define BF_MASK(n) _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
BF_OP V v_load_part(const E *p, int n) { return (V)_mm256_maskload_ps(p, BF_MASK(n)); }
BF_OP void v_store_part(E *p, V x, int n) { _mm256_maskstore_ps(p, BF_MASK(n), (__m256)x); }
BF_OP V v_load_span(const E *p, int first, int n) {
    return (V)_mm256_maskload_ps(p - first, _mm256_andnot_si256(BF_MASK(first), BF_MASK(first + n)));
}

#elif defined(BF_MASKED) && defined(__AVX2__) && defined(BF_ELEMENT_DOUBLE) && BF_LANES == 4
#include <immintrin.h>
#define BF_MASK(n) _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3))
BF_OP V v_load_part(const E *p, int n) { return (V)_mm256_maskload_pd(p, BF_MASK(n)); }
BF_OP void v_store_part(E *p, V x, int n) { _mm256_maskstore_pd(p, BF_MASK(n), (__m256d)x); }
BF_OP V v_load_span(const E *p, int first, int n) {
    return (V)_mm256_maskload_pd(p - first, _mm256_andnot_si256(BF_MASK(first), BF_MASK(first + n)));
}

#else
BF_OP V v_load_part(const E *p, int n) {
    V x = v_zero();
    __builtin_memcpy(&x, p, (size_t)n * sizeof(E));
    return x;
}
BF_OP void v_store_part(E *p, V x, int n) { __builtin_memcpy(p, &x, (size_t)n * sizeof(E)); }
BF_OP V v_load_span(const E *p, int first, int n) {
    V x = v_zero();
    __builtin_memcpy((char *)&x + (size_t)first * sizeof(E), p, (size_t)n * sizeof(E));
    return x;
}
#endif

#endif
