/* Branch marks, recorded: the whole sequence of ids, for comparison between builds. */
#ifndef BF_MARKS_H
#define BF_MARKS_H

#define BF_EXPORT __attribute__((visibility("default"), used))

static struct {
    int32_t *ids;
    int64_t count, room;
} bf_marks_log;

static __attribute__((noinline, unused)) void bf_branch(int id) {
    if (bf_marks_log.count == bf_marks_log.room) {
        int64_t room = bf_marks_log.room ? 2 * bf_marks_log.room : 1024;
        int32_t *ids = (int32_t *)realloc(bf_marks_log.ids, (size_t)room * sizeof(int32_t));
        if (!ids) abort();
        bf_marks_log.ids = ids;
        bf_marks_log.room = room;
    }
    bf_marks_log.ids[bf_marks_log.count++] = id;
}

/* Forgets the marks recorded so far. */
BF_EXPORT void bf_marks_reset(void);
void bf_marks_reset(void) { bf_marks_log.count = 0; }

/* The marks recorded since the last reset; their number goes to *count. */
BF_EXPORT const int32_t *bf_marks(int64_t *count);
const int32_t *bf_marks(int64_t *count) {
    *count = bf_marks_log.count;
    return bf_marks_log.ids;
}

#endif
