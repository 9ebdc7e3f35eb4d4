/* The state behind the tracing element: the plan made from the definition, slots of terms, the verdict. */
#ifndef BF_TRACE_SLOTS_H
#define BF_TRACE_SLOTS_H

enum { TRACE_BAD = 0, TRACE_ZERO = 1, TRACE_LEAF = 2, TRACE_SUM = 3 };
enum { /* in the order of REASONS in codegen/trace.py */
    REASON_UNKNOWN,
    REASON_POISON,
    REASON_NO_TERM,
    REASON_OTHER_ENTRY,
    REASON_TWICE,
    REASON_FOREIGN_LEAF,
    REASON_PRODUCT_OF_SUM,
    REASON_STALE_LEAF,
    REASON_STALE_SUM,
    REASON_OVERLAP,
    REASON_MEMORY,
    REASON_MISSING,
    REASON_WRONG_ENTRY
};

/* A term in one number: the result's entry above, the rank in the lower 32 bits. Its parts (what each table
 * and each key adds to both) are added as one; a part below 0 is no term. */
static inline int64_t trace_part(const void *at) {
    int64_t part;
    memcpy(&part, at, sizeof(part));
    return part;
}

/* One component of a family: for row a, columns low[a] .. low[a] + width - 1 hold parts of terms. */
typedef struct {
    int64_t width;
    const int32_t *low;
    const int64_t *cells;
} trace_table;

/* rows: for every entry of a key a part (two numbers) and then its place in each table. Keys are the two factors,
 * in either order (two families tell of the same terms), or the factor and the result's entry; entries_a and
 * entries_b are how many each has, since a word read beside a buffer may name any.
 * runs: how many entries from each on differ by the same, in part and in place in the last table, by 0 or 1 in
 * the latter, and in nothing else. */
typedef struct {
    int64_t factors, operand_a, operand_b, tables, rank_offset, entries_a, entries_b;
    const int32_t *rows_a, *rows_b;
    const uint8_t *runs_a, *runs_b;
    const trace_table *table;
    const int64_t *only;
} trace_family;

typedef struct {
    int64_t families, results, ranks, limit_bytes;
    const trace_family *family;
    const int64_t *expected;
} trace_plan;

typedef struct {
    int64_t result, rank;
} trace_term;

typedef struct {
    uint32_t version;
    int32_t result;
    int32_t missing; /* terms of the result's entry that are not in it */
    int32_t set;     /* number of its bit set; -1 once complete */
} trace_slot;

typedef struct {
    uint64_t reason, a, b;
    int64_t result;
} trace_record;

#define TRACE_RECORDS (1 << 18)
#define TRACE_SLOTS (1 << 24)

static struct {
    const trace_plan *plan;
    uint64_t generation;
    int64_t products, zero_products, additions;
    trace_slot *slots;
    int64_t slot_count, slot_room;
    int32_t *free_slots;
    int64_t free_slot_count, free_slot_room;
    uint64_t *sets;
    int64_t set_count, set_room, set_words;
    int32_t *free_sets;
    int64_t free_set_count, free_set_room;
    trace_record *records;
    int64_t record_count;
    int64_t bytes, exhausted;
} trace;

static inline int trace_kind(uint64_t w) { return (int)(w >> 62); }
static inline int trace_current(uint64_t w) { return ((w >> 56) & 63) == trace.generation; }
static inline int64_t trace_operand(uint64_t leaf) { return (int64_t)((leaf >> 48) & 255); }
static inline int64_t trace_entry(uint64_t leaf) { return (int64_t)(leaf & 0xFFFFFFFFFFFFu); }
static inline uint64_t trace_word(uint64_t kind, uint64_t rest) {
    return kind << 62 | trace.generation << 56 | rest;
}
static inline uint64_t trace_word_zero(void) { return (uint64_t)TRACE_ZERO << 62; }
static inline uint64_t trace_word_bad(uint64_t reason, uint64_t record) {
    return trace_word(TRACE_BAD, reason << 48 | record);
}

/* Room for one more item, doubling; 0 (and `exhausted`) where the plan's limit is reached. */
static __attribute__((noinline)) int trace_room(void **items, int64_t *room, int64_t count, int64_t size) {
    if (count < *room) return 1;
    int64_t wanted = *room ? 2 * *room : 1024;
    if (trace.bytes + (wanted - *room) * size > trace.plan->limit_bytes) {
        wanted = *room + *room / 8;
        if (wanted == *room || trace.bytes + (wanted - *room) * size > trace.plan->limit_bytes) {
            trace.exhausted = 1;
            return 0;
        }
    }
    void *moved = realloc(*items, (size_t)(wanted * size));
    if (!moved) {
        trace.exhausted = 1;
        return 0;
    }
    trace.bytes += (wanted - *room) * size;
    *items = moved, *room = wanted;
    return 1;
}

/* A BAD word with its cause on record. */
static __attribute__((noinline)) uint64_t trace_bad_at(uint64_t reason, uint64_t a, uint64_t b, int64_t result) {
    if (trace.record_count + 1 >= TRACE_RECORDS) return trace_word_bad(reason, 0);
    trace_record *record = trace.records + ++trace.record_count;
    record->reason = reason, record->a = a, record->b = b, record->result = result;
    return trace_word_bad(reason, (uint64_t)trace.record_count);
}
static uint64_t trace_bad(uint64_t reason, uint64_t a, uint64_t b) { return trace_bad_at(reason, a, b, -1); }

/* The slot of a SUM word, NULL where the word was overtaken. */
static inline trace_slot *trace_live(uint64_t sum) {
    int64_t number = (int64_t)((sum >> 32) & 0xFFFFFF);
    if (!trace_current(sum) || number >= trace.slot_count) return NULL;
    trace_slot *slot = trace.slots + number;
    return slot->version == (uint32_t)sum ? slot : NULL;
}

static inline uint64_t trace_word_sum(const trace_slot *slot) {
    return trace_word(TRACE_SUM, (uint64_t)(slot - trace.slots) << 32 | slot->version);
}

static void trace_drop_set(trace_slot *slot) {
    if (slot->set < 0) return;
    if (trace_room((void **)&trace.free_sets, &trace.free_set_room, trace.free_set_count, sizeof(int32_t)))
        trace.free_sets[trace.free_set_count++] = slot->set;
    slot->set = -1;
}

/* The slot's words all become stale; a version is never used twice, so a worn out slot stays unused. */
static void trace_drop(trace_slot *slot) {
    trace_drop_set(slot);
    slot->result = -1;
    if (slot->version++ >= 0xFFFFFF00u) return;
    if (trace_room((void **)&trace.free_slots, &trace.free_slot_room, trace.free_slot_count, sizeof(int32_t)))
        trace.free_slots[trace.free_slot_count++] = (int32_t)(slot - trace.slots);
}

/* `bad`, with the sum that it spoils given up. */
static uint64_t trace_spoil(uint64_t other, uint64_t bad) {
    if (trace_kind(other) == TRACE_BAD) return other;
    if (trace_kind(other) == TRACE_SUM) {
        trace_slot *slot = trace_live(other);
        if (slot) trace_drop(slot);
    }
    return bad;
}

/* The word of a set that holds a rank's bit. */
static inline uint64_t *trace_bits(int64_t set, uint32_t rank) {
    return trace.sets + set * trace.set_words + (rank >> 6);
}

static int32_t trace_new_set(void) {
    int32_t set;
    if (trace.free_set_count) {
        set = trace.free_sets[--trace.free_set_count];
    } else {
        int64_t size = trace.set_words * (int64_t)sizeof(uint64_t);
        if (!trace_room((void **)&trace.sets, &trace.set_room, trace.set_count, size)) return -1;
        set = (int32_t)trace.set_count++;
    }
    memset(trace_bits(set, 0), 0, (size_t)trace.set_words * sizeof(uint64_t));
    return set;
}

static trace_slot *trace_new_slot(int64_t result) {
    int64_t number;
    if (trace.free_slot_count) {
        number = trace.free_slots[--trace.free_slot_count];
    } else {
        if (trace.slot_count == TRACE_SLOTS) trace.exhausted = 1;
        if (trace.slot_count == TRACE_SLOTS ||
            !trace_room((void **)&trace.slots, &trace.slot_room, trace.slot_count, sizeof(trace_slot)))
            return NULL;
        number = trace.slot_count++;
        trace.slots[number].version = 1;
    }
    trace_slot *slot = trace.slots + number;
    slot->result = (int32_t)result, slot->missing = (int32_t)trace.plan->expected[result];
    slot->set = trace_new_set();
    return slot->set < 0 ? NULL : slot;
}

/* acc (ZERO or SUM) with one more term, made of a and b. */
static uint64_t trace_insert(uint64_t acc, trace_term term, uint64_t a, uint64_t b) {
    trace_slot *slot;
    if (trace_kind(acc) == TRACE_SUM) {
        slot = trace_live(acc);
        if (!slot) return trace_bad(REASON_STALE_SUM, a, b);
        if (slot->result != term.result) {
            uint64_t bad = trace_bad_at(REASON_OTHER_ENTRY, a, b, slot->result);
            return trace_spoil(acc, bad);
        }
        if (slot->set < 0) return trace_spoil(acc, trace_bad_at(REASON_TWICE, a, b, term.result));
    } else {
        slot = trace_new_slot(term.result);
        if (!slot) return trace_word_bad(REASON_MEMORY, 0);
    }
    uint64_t *word = trace_bits(slot->set, (uint32_t)term.rank);
    uint64_t bit = (uint64_t)1 << (term.rank & 63);
    if (*word & bit) return trace_spoil(acc, trace_bad_at(REASON_TWICE, a, b, term.result));
    *word |= bit;
    slot->version++;
    if (!--slot->missing) trace_drop_set(slot);
    return trace_word_sum(slot);
}

/* The union of two disjoint sums of one entry, kept in a's slot. */
static uint64_t trace_merge(uint64_t a, uint64_t b) {
    trace_slot *p = trace_live(a), *q = trace_live(b);
    if (!p || !q || p == q) return trace_bad(REASON_STALE_SUM, a, b);
    uint64_t bad = 0;
    if (p->result != q->result) {
        bad = trace_bad_at(REASON_OTHER_ENTRY, a, b, p->result);
    } else if (p->set < 0 || q->set < 0) {
        bad = trace_bad_at(REASON_OVERLAP, a, b, p->result);
    } else {
        uint64_t *x = trace_bits(p->set, 0), *y = trace_bits(q->set, 0), hit = 0;
        for (int64_t i = 0; i < trace.set_words; i++) hit |= x[i] & y[i], x[i] |= y[i];
        if (hit) bad = trace_bad_at(REASON_OVERLAP, a, b, p->result);
    }
    p->missing -= (int32_t)trace.plan->expected[q->result] - q->missing;
    trace_drop(q);
    if (bad) return trace_spoil(a, bad);
    p->version++;
    if (!p->missing) trace_drop_set(p);
    return trace_word_sum(p);
}

/* What a table says of two places, below 0 where they have no term. */
static inline __attribute__((always_inline)) int64_t trace_cell(const trace_table *table, int64_t row, int64_t place) {
    const uint64_t column = (uint64_t)(place - table->low[row]);
    return column < (uint64_t)table->width ? table->cells[row * table->width + (int64_t)column] : -1;
}

/* The entry of the result and the rank that two keys name, 0 where they name none. */
static inline int trace_lookup(const trace_family *family, int64_t a, int64_t b, trace_term *term) {
    if (a >= family->entries_a || b >= family->entries_b) return 0;
    const int32_t *row_a = family->rows_a + a * (2 + family->tables);
    const int32_t *row_b = family->rows_b + b * (2 + family->tables);
    int64_t part_a = trace_part(row_a), part_b = trace_part(row_b);
    int64_t sum = part_a + part_b + family->rank_offset, dead = part_a | part_b;
    for (int64_t t = 0; t < family->tables; t++) {
        const int64_t part = trace_cell(family->table + t, row_a[2 + t], row_b[2 + t]);
        sum += part, dead |= part;
    }
    term->result = sum >> 32, term->rank = sum & 0xFFFFFFFF;
    return dead >= 0;
}

#endif
