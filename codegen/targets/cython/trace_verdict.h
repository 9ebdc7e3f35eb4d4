/* What the validator calls in a tracing build: set up, begin a run, make leaves, judge a result. */
#ifndef BF_TRACE_VERDICT_H
#define BF_TRACE_VERDICT_H

typedef struct {
    int64_t products, zero_products, additions, slots, sets, bytes, exhausted;
} trace_counts;

/* entry: first wrong entry or -1; reason; count of its terms present; first missing rank or -1. */
typedef struct {
    int64_t entry, reason, count, missing, result;
    uint64_t word, a, b;
} trace_verdict;

/* Takes the plan for the next runs (kept by the caller) and begins a new generation; earlier words are stale. */
BF_EXPORT void bf_trace_begin(const trace_plan *plan, int64_t generation);
void bf_trace_begin(const trace_plan *plan, int64_t generation) {
    void *owned[] = {trace.slots, trace.free_slots, trace.sets, trace.free_sets, trace.records};
    for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++) free(owned[i]);
    memset(&trace, 0, sizeof(trace));
    if (!plan) return;
    trace.plan = plan;
    trace.generation = (uint64_t)generation & 63;
    trace.set_words = (plan->ranks + 63) / 64;
    trace.records = (trace_record *)calloc(TRACE_RECORDS, sizeof(trace_record));
    if (!trace.records) abort();
}

/* Entries of an operand: p[i] becomes the leaf (operand, i). */
BF_EXPORT void bf_trace_leaves(E *p, int64_t operand, int64_t count);
void bf_trace_leaves(E *p, int64_t operand, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        p[i].word = trace_word(TRACE_LEAF, (uint64_t)operand << 48 | (uint64_t)i);
}

BF_EXPORT void bf_trace_counts(trace_counts *counts);
void bf_trace_counts(trace_counts *counts) {
    counts->products = trace.products, counts->zero_products = trace.zero_products;
    counts->additions = trace.additions, counts->slots = trace.slot_count, counts->sets = trace.set_count;
    counts->bytes = trace.bytes, counts->exhausted = trace.exhausted;
}

/* Fills the verdict for one entry; true where it is what the definition says. */
static int trace_judge_entry(uint64_t word, int64_t entry, trace_verdict *verdict) {
    int64_t expected = trace.plan->expected[entry];
    verdict->entry = entry, verdict->word = word, verdict->count = 0, verdict->missing = -1;
    verdict->a = verdict->b = 0, verdict->result = -1, verdict->reason = REASON_MISSING;
    if (trace_kind(word) == TRACE_BAD) {
        uint64_t number = word & 0xFFFFFFFFFFFFu;
        verdict->reason = (int64_t)((word >> 48) & 255);
        if (trace_current(word) && number && number < TRACE_RECORDS) {
            const trace_record *record = trace.records + number;
            verdict->a = record->a, verdict->b = record->b, verdict->result = record->result;
        }
        return 0;
    }
    if (trace_kind(word) == TRACE_ZERO) return expected == 0;
    if (!trace_current(word)) return verdict->reason = REASON_STALE_LEAF, 0;
    if (trace_kind(word) == TRACE_LEAF) {
        verdict->a = verdict->b = word;
        trace_term term;
        if (!trace_single(word, entry, &term)) return verdict->reason = REASON_FOREIGN_LEAF, 0;
        verdict->count = 1;
        return expected == 1;
    }
    const trace_slot *slot = trace_live(word);
    if (!slot) return verdict->reason = REASON_STALE_SUM, 0;
    verdict->count = trace.plan->expected[slot->result] - slot->missing, verdict->result = slot->result;
    if (slot->result != entry) return verdict->reason = REASON_WRONG_ENTRY, 0;
    return !slot->missing;
}

/* The first entry of out that is not exactly the sum of its terms; verdict->entry is -1 where all are. */
BF_EXPORT int64_t bf_trace_judge(const E *out, trace_verdict *verdict);
int64_t bf_trace_judge(const E *out, trace_verdict *verdict) {
    int64_t wrong = 0;
    trace_verdict first;
    memset(&first, 0, sizeof(first));
    first.entry = -1;
    for (int64_t i = 0; i < trace.plan->results; i++)
        if (!trace_judge_entry(out[i].word, i, verdict) && !wrong++) first = *verdict;
    *verdict = first;
    return wrong;
}

/* The terms in the set of an incomplete sum, as bits; NULL where the word has none. */
BF_EXPORT const uint64_t *bf_trace_set(uint64_t word);
const uint64_t *bf_trace_set(uint64_t word) {
    const trace_slot *slot = trace_kind(word) == TRACE_SUM ? trace_live(word) : NULL;
    return slot && slot->set >= 0 ? trace_bits(slot->set, 0) : NULL;
}

#endif
