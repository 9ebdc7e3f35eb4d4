/* Whole numbers of a call as elements: each in its range or ignored, converted into the workspace. */
#ifndef BACKFLIP_CODES_H
#define BACKFLIP_CODES_H

/* Where in the workspace codes go, their least and greatest value, and what an ignored one is instead; where none is
 * ignored, both are the least value. */
typedef struct {
    Py_ssize_t start;
    long long low, high, ignored, instead;
} bf_range;

#if defined(BF_ELEMENT_FLOAT) || defined(BF_ELEMENT_DOUBLE)
typedef int64_t bf_codes __attribute__((vector_size(64)));
typedef uint64_t bf_code_bits __attribute__((vector_size(64)));
typedef int64_t bf_loose_codes __attribute__((vector_size(64), aligned(8), may_alias));
typedef int32_t bf_short_codes __attribute__((vector_size(32)));
typedef E bf_coded __attribute__((vector_size(8 * sizeof(E))));
typedef E bf_loose_coded __attribute__((vector_size(8 * sizeof(E)), aligned(sizeof(E)), may_alias));

/* Whether all codes are in range or ignored; `to` then holds them. Ranges lie in 32 bits, which convert faster. */
static inline __attribute__((always_inline)) int bf_convert_as(const bf_range *range, const int64_t *codes, E *to,
                                                               Py_ssize_t count, int ignoring) {
    const bf_codes none = {0}, ignored = none + range->ignored, instead = none + range->instead;
    const bf_code_bits low = (bf_code_bits)(none + range->low), span = (bf_code_bits)(none + range->high) - low;
    bf_code_bits outside = (bf_code_bits)none;
    Py_ssize_t i = 0;
    int wrong = 0;
    for (; i + 8 <= count; i += 8) {
        bf_codes code = *(const bf_loose_codes *)(codes + i), off = none;
        if (ignoring) off = code == ignored;
        /* the sign is that of a number below the least, or of what is left up to the greatest */
        outside |= (((bf_code_bits)code - low) | (span - ((bf_code_bits)code - low))) & (bf_code_bits)~off;
        if (ignoring) code = (off & instead) | (~off & code);
        *(bf_loose_coded *)(to + i) = __builtin_convertvector(__builtin_convertvector(code, bf_short_codes), bf_coded);
    }
    for (int k = 0; k < 8; k++) wrong |= (int64_t)outside[k] < 0;
    for (; i < count; i++) {
        const int off = ignoring && codes[i] == range->ignored;
        wrong |= !off && (codes[i] < range->low || codes[i] > range->high);
        to[i] = (E)(off ? range->instead : codes[i]);
    }
    return !wrong;
}
static int bf_convert(const bf_range *range, const int64_t *codes, E *to, Py_ssize_t count) {
    if (range->ignored == range->instead) return bf_convert_as(range, codes, to, count, 0);
    return bf_convert_as(range, codes, to, count, 1);
}
#else
static int bf_convert(const bf_range *range, const int64_t *codes, E *to, Py_ssize_t count) { return 0; }
#endif

#endif
