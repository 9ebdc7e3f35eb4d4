/* The tracing element: a 64-bit word that says which set of the definition's terms a value is.
 *
 * Word, from the top: kind (2 bits), generation of the run (6 bits), then
 *   BAD   reason (8), number of the record that says which operands met (48); absorbs everything
 *   ZERO  an exact zero (never a sum that happens to vanish)
 *   LEAF  operand (8), entry (48)
 *   SUM   slot (24), version (32): the set of terms kept in that slot, if it still has that version
 * A slot belongs to one entry of the result and holds a bit for each of its terms. Every change raises
 * its version, so a word that was overtaken (an accumulator continued twice, a value of an earlier run)
 * is recognised for certain, and slots can be used again. A product of two leaves is looked up in tables
 * made from the definition: it is a term of exactly one entry, or BAD.
 */
#ifndef BF_ELEM_TRACE_H
#define BF_ELEM_TRACE_H

typedef struct {
    uint64_t word;
} E;
typedef struct {
    E lane[BF_LANES];
} V;

#include "trace_slots.h"

#define BF_HELPER static __attribute__((noinline, unused))
#define BF_SMALL static inline __attribute__((unused))

/* What a leaf alone is: a term of `result`, or, with result < 0, of the one entry it can belong to. */
static int64_t trace_single(uint64_t leaf, int64_t result, trace_term *term) {
    const trace_plan *plan = trace.plan;
    for (int32_t f = 0; f < plan->families; f++) {
        const trace_family *family = plan->family + f;
        if (family->factors != 1 || family->operand_a != trace_operand(leaf)) continue;
        if (trace_entry(leaf) >= family->entries_a) continue;
        int64_t entry = result < 0 ? family->only[trace_entry(leaf)] : result;
        if (entry < 0) continue;
        if (trace_lookup(family, trace_entry(leaf), entry, term)) {
            term->result = entry;
            return 1;
        }
    }
    return 0;
}

/* Whether a word is an entry of an operand of this run. */
static inline int trace_leaf(uint64_t w) { return trace_kind(w) == TRACE_LEAF && trace_current(w); }

/* The family whose first and second factor are of these leaves' operands, NULL where there is none. */
static const trace_family *trace_family_of(uint64_t a, uint64_t b) {
    const trace_plan *plan = trace.plan;
    for (int64_t f = 0; f < plan->families; f++) {
        const trace_family *family = plan->family + f;
        if (family->factors != 2) continue;
        if (family->operand_a == trace_operand(a) && family->operand_b == trace_operand(b)) return family;
    }
    return NULL;
}

/* The term that the product of two leaves is; 0 where it is none. */
static int trace_product(uint64_t a, uint64_t b, trace_term *term) {
    const trace_family *family = trace_family_of(a, b);
    return family && trace_lookup(family, trace_entry(a), trace_entry(b), term);
}

/* acc with one more term. */
static uint64_t trace_extend(uint64_t acc, trace_term term, uint64_t a, uint64_t b) {
    if (trace_kind(acc) == TRACE_LEAF) {
        trace_term first;
        if (!trace_current(acc)) return trace_bad(REASON_STALE_LEAF, acc, a);
        if (!trace_single(acc, term.result, &first)) return trace_bad(REASON_FOREIGN_LEAF, acc, a);
        acc = trace_insert(trace_word_zero(), first, acc, acc);
    }
    return trace_insert(acc, term, a, b);
}

static uint64_t trace_fma(uint64_t acc, uint64_t a, uint64_t b) {
    trace_term term;
    if (trace_kind(acc) == TRACE_BAD) return acc;
    if (trace_kind(a) == TRACE_BAD) return trace_spoil(acc, a);
    if (trace_kind(b) == TRACE_BAD) return trace_spoil(acc, b);
    if (trace_kind(a) == TRACE_ZERO || trace_kind(b) == TRACE_ZERO) {
        trace.zero_products++;
        return acc;
    }
    trace.products++;
    if (trace_kind(a) == TRACE_SUM || trace_kind(b) == TRACE_SUM)
        return trace_spoil(acc, trace_bad(REASON_PRODUCT_OF_SUM, a, b));
    if (!trace_current(a) || !trace_current(b)) return trace_spoil(acc, trace_bad(REASON_STALE_LEAF, a, b));
    if (!trace_product(a, b, &term)) return trace_spoil(acc, trace_bad(REASON_NO_TERM, a, b));
    return trace_extend(acc, term, a, b);
}

static uint64_t trace_add(uint64_t a, uint64_t b) {
    trace_term term;
    if (trace_kind(a) == TRACE_BAD) return trace_spoil(b, a);
    if (trace_kind(b) == TRACE_BAD) return trace_spoil(a, b);
    if (trace_kind(a) == TRACE_ZERO) return b;
    if (trace_kind(b) == TRACE_ZERO) return a;
    trace.additions++;
    if (trace_kind(a) == TRACE_SUM && trace_kind(b) == TRACE_SUM) return trace_merge(a, b);
    if (trace_kind(b) == TRACE_SUM) {
        uint64_t swap = a;
        a = b, b = swap;
    }
    if (!trace_current(b)) return trace_spoil(a, trace_bad(REASON_STALE_LEAF, a, b));
    if (trace_kind(a) == TRACE_SUM) {
        trace_slot *slot = trace_live(a);
        if (!slot) return trace_bad(REASON_STALE_SUM, a, b);
        if (!trace_single(b, slot->result, &term)) return trace_spoil(a, trace_bad(REASON_FOREIGN_LEAF, b, a));
        return trace_insert(a, term, b, b);
    }
    if (trace_single(b, -1, &term)) return trace_extend(a, term, b, b);
    if (trace_single(a, -1, &term)) return trace_extend(b, term, a, a);
    return trace_bad(REASON_FOREIGN_LEAF, a, b);
}

#include "trace_lanes.h"

BF_SMALL E e_word(uint64_t word) {
    E x;
    x.word = word;
    return x;
}
BF_SMALL E e_zero(void) { return e_word(trace_word_zero()); }
BF_SMALL E e_load(const E *p) { return *p; }
BF_SMALL void e_store(E *p, E x) { *p = x; }
BF_HELPER E e_fma(E acc, E a, E b) { return e_word(trace_fma(acc.word, a.word, b.word)); }
BF_HELPER E e_add(E a, E b) { return e_word(trace_add(a.word, b.word)); }

#include "elem_lanes.h"

BF_HELPER V v_fma(V acc, V a, V b) {
    const uint32_t done = trace_lanes(acc.lane, a.lane, b.lane);
    for (int i = 0; i < BF_LANES; i++)
        if (!(done >> i & 1) && trace_kind(acc.lane[i].word) != TRACE_BAD)
            acc.lane[i].word = trace_fma(acc.lane[i].word, a.lane[i].word, b.lane[i].word);
    return acc;
}
BF_HELPER V v_add(V a, V b) {
    for (int i = 0; i < BF_LANES; i++) a.lane[i].word = trace_add(a.lane[i].word, b.lane[i].word);
    return a;
}
BF_HELPER E v_sum(V x) {
    uint64_t total = x.lane[0].word;
    for (int i = 1; i < BF_LANES; i++) total = trace_add(total, x.lane[i].word);
    return e_word(total);
}

BF_HELPER void e_poison(E *p, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i++) p[i].word = trace_word_bad(REASON_POISON, 0);
}

/* Sums of products are all that the trace follows: anything else is BAD, whatever it is made of. */
BF_HELPER E e_lost(void) { return e_word(trace_word_bad(REASON_UNKNOWN, 0)); }
BF_HELPER V v_lost(void) {
    const E lost = e_lost();
    return v_splat(&lost);
}
#include "elem_lost.h"
BF_LOST_2(sub)
BF_LOST_2(mul)
BF_LOST_2(gate)
BF_LOST_2(same)
BF_LOST_3(larger)
BF_LOST_3(smaller)
BF_LOST_3(choose)
BF_SMALL E e_index(ptrdiff_t n) { return (void)n, e_lost(); }
BF_SMALL V v_index(ptrdiff_t first, ptrdiff_t second) { return (void)first, (void)second, v_lost(); }
BF_SMALL E bf_e_rational(ptrdiff_t n, ptrdiff_t d) { return (void)n, (void)d, e_lost(); }
BF_SMALL V bf_v_rational(ptrdiff_t n, ptrdiff_t d) { return (void)n, (void)d, v_lost(); }

#include "trace_verdict.h"

#endif
