/* Products of whole vectors of leaves, which are nearly all that a kernel traces: done at once where each is a
 * further term of a sum of its entry; what is anything else is left to trace_fma, lane by lane. */
#ifndef BF_TRACE_LANES_H
#define BF_TRACE_LANES_H

/* A key along some lanes: the same leaf in all of them, or some entries further each. Along a run of the plan its
 * part and its place in the last table grow by the same from entry to entry; in all other tables it stays. */
typedef struct {
    const int32_t *row;
    int64_t part, part_step, place, place_step;
} trace_walk;

/* Lanes from the first on in which the words go up by `step`; at most `most`. */
static inline int trace_along(const E *x, uint64_t step, int most) {
    int n = 1;
    while (n < most && x[n].word == x->word + (uint64_t)n * step) n++;
    return n;
}

static inline int trace_walk_of(
    trace_walk *walk, const int32_t *rows, const uint8_t *runs, int64_t tables, const E *x, int most) {
    const int64_t entry = trace_entry(x->word), width = 2 + tables;
    const uint64_t step = most > 1 ? x[1].word - x->word : 0;
    const int32_t *row = rows + entry * width, *next = row + width;
    walk->row = row, walk->part = trace_part(row), walk->part_step = 0;
    walk->place = row[width - 1], walk->place_step = 0;
    if (!step) return trace_along(x, 0, most);
    if (step >= runs[entry]) return 1;
    const int far = (int)((runs[entry] - 1) / step) + 1;
    walk->part_step = (int64_t)step * (trace_part(next) - walk->part);
    if (tables) walk->place_step = (int64_t)step * (next[width - 1] - row[width - 1]);
    return trace_along(x, step, far < most ? far : most);
}

/* The terms of the first lanes of a product of leaves of the family's operands, below 0 where there is none;
 * returns how many lanes. */
static int trace_terms_of(const trace_family *family, const E *a, const E *b, int most, int64_t *terms) {
    const int64_t tables = family->tables;
    trace_walk x, y;
    if (trace_entry(a->word) >= family->entries_a || trace_entry(b->word) >= family->entries_b)
        return terms[0] = -1, 1;
    most = trace_walk_of(&x, family->rows_a, family->runs_a, tables, a, most);
    most = trace_walk_of(&y, family->rows_b, family->runs_b, tables, b, most);
    const int64_t step = x.part_step + y.part_step;
    int64_t sum = x.part + y.part + family->rank_offset, dead = x.part | y.part;
    for (int64_t t = 0; t + 1 < tables; t++) {
        const int64_t part = trace_cell(family->table + t, x.row[2 + t], y.row[2 + t]);
        sum += part, dead |= part;
    }
    if (!tables || dead < 0) {
        for (int i = 0; i < most; i++) terms[i] = dead < 0 ? -1 : sum + i * step;
        return most;
    }
    const trace_table last = family->table[tables - 1];
    for (int i = 0; i < most; i++) {
        const int64_t part = trace_cell(&last, x.place, y.place);
        terms[i] = part < 0 ? -1 : sum + part;
        sum += step, x.place += x.place_step, y.place += y.place_step;
    }
    return most;
}

/* The terms of a product in those lanes where acc is a sum of this run; below 0 where it is none, or not of the
 * operands that lane `first` has. */
static void trace_terms(const trace_family *family, const E *acc, const E *a, const E *b, int first, int64_t *terms) {
    const uint64_t key_a = a[first].word >> 48, key_b = b[first].word >> 48;
    const uint64_t sum = trace_word(TRACE_SUM, 0) >> 56;
    for (int i = 0, end = 0; i < BF_LANES;) {
        if (acc[i].word >> 56 != sum || a[i].word >> 48 != key_a || b[i].word >> 48 != key_b) {
            terms[i++] = -1;
            continue;
        }
        for (end = end > i ? end : i + 1; end < BF_LANES && acc[end].word >> 56 == sum;) end++;
        i += trace_terms_of(family, a + i, b + i, end - i, terms + i);
    }
}

/* Lanes in which a term continues a sum of its entry: what trace_insert makes of them. The other lanes are left
 * as they are; returns, as bits, which were done. */
static uint32_t trace_continue(E *acc, const int64_t *terms) {
    const int64_t count = trace.slot_count;
    trace_slot *const slots = trace.slots;
    uint32_t done = 0;
    for (int i = 0; i < BF_LANES; i++) {
        const uint64_t word = acc[i].word, bit = (uint64_t)1 << (terms[i] & 63);
        const int64_t number = (int64_t)((word >> 32) & 0xFFFFFF);
        if (terms[i] < 0 || number >= count) continue;
        trace_slot *slot = slots + number;
        const uint32_t version = slot->version;
        const int64_t set = slot->set;
        if (version != (uint32_t)word || slot->result != terms[i] >> 32 || set < 0) continue;
        uint64_t *bits = trace_bits(set, (uint32_t)terms[i]), old = *bits;
        if (old & bit) continue;
        *bits = old | bit;
        slot->version = version + 1;
        if (!--slot->missing) trace_drop_set(slot);
        acc[i].word = (word & ~(uint64_t)0xFFFFFFFF) | (version + 1);
        done |= (uint32_t)1 << i;
    }
    trace.products += __builtin_popcount(done);
    return done;
}

/* Which lanes of acc + a * b are done, as bits; those in acc. */
static uint32_t trace_lanes(E *acc, const E *a, const E *b) {
    int64_t terms[BF_LANES];
    int first = 0;
    if (BF_LANES == 1) return 0; /* nothing is side by side */
    while (first < BF_LANES && !(trace_leaf(a[first].word) && trace_leaf(b[first].word))) first++;
    const trace_family *family = first < BF_LANES ? trace_family_of(a[first].word, b[first].word) : NULL;
    if (!family) return 0;
    trace_terms(family, acc, a, b, first, terms);
    return trace_continue(acc, terms);
}

#endif
