/* A kernel's Python call without Python: arrays that fit as they are go straight to the kernels of a plan.
 *
 * What does not fit in any way, or is no exact NumPy array, goes to `slow`, the method that checks and says what
 * is wrong: here nothing is refused, and nothing but codes converted. Plans are made by codegen/fast.py, which says
 * what their items are.
 */
#ifndef BACKFLIP_CALL_H
#define BACKFLIP_CALL_H

#include "backflip_codes.h"

#define BF_MOST_PLACES 24
#define BF_MOST_AXES 8

/* The first fields of NumPy's array object, the same in NumPy 1 and 2; bf_known compares them with a buffer. */
typedef struct {
    PyObject_HEAD
    char *data;
    int axes;
    Py_ssize_t *shape, *strides;
    PyObject *base, *dtype;
    int flags;
} bf_array;
enum { BF_LAID_OUT = 0x101, BF_WRITEABLE = 0x400, BF_WARNS = INT_MIN };

/* An array of a call: an argument that is read, is read as codes, need not be looked at, or may only be None; a
 * result; or the kernel's own. */
enum { BF_READ, BF_CODED, BF_UNREAD, BF_ABSENT, BF_WRITTEN, BF_OWN };
typedef struct {
    /* the keyword, or None; `array` where it is the kernel's own, or stands for an argument that is left out */
    PyObject *name, *shape_tuple, *array;
    int role, axes;
    Py_ssize_t shape[BF_MOST_AXES], bytes;
    bf_range range; /* of codes */
} bf_place;

/* A kernel and its arrays by place; `packed` runs it on item `item` of a packed weight, NULL where it needs none. */
typedef struct {
    bf_work plain, packed;
    Py_ssize_t item, bytes;
    int count, places[BF_MOST_ARGUMENTS];
} bf_job;

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *words, *slow, *plan, *scratch; /* words: its __dict__; scratch: the workspace of `thread` */
    unsigned long thread;
    PyTypeObject *array_type, *packed_type;
    PyObject *dtype, *byte, *code, *empty, *owner, *own_scratch; /* these and all of places: held by plan */
    PyObject *out, *workspace;                                    /* the two keywords */
    Py_ssize_t scratch_bytes, packed_items;
    int by_name, positional, weight, place_count, job_count; /* by_name: out and the results are a dict */
    bf_place places[BF_MOST_PLACES];
    bf_job jobs[BF_MOST_PLACES];
} bf_caller;

/* One call. Memory: that of each place, then the workspace's, then the packed weight of each job. */
typedef struct {
    PyObject *given[BF_MOST_PLACES], *results[BF_MOST_PLACES], *out, *workspace;
    struct {
        char *from, *to;
    } memory[2 * BF_MOST_PLACES + 1];
} bf_call;

static void bf_remember(bf_call *call, int spot, PyObject *array, Py_ssize_t bytes) {
    call->memory[spot].from = ((bf_array *)array)->data;
    call->memory[spot].to = call->memory[spot].from + bytes;
}

static int bf_plain(const bf_caller *self, PyObject *object, int flags) {
    return Py_TYPE(object) == self->array_type && (((bf_array *)object)->flags & (flags | BF_WARNS)) == flags;
}

static int bf_fits(const bf_caller *self, const bf_place *place, PyObject *object) {
    const bf_array *array = (bf_array *)object;
    if (!bf_plain(self, object, place->role == BF_WRITTEN ? BF_LAID_OUT | BF_WRITEABLE : BF_LAID_OUT)) return 0;
    if (array->dtype != (place->role == BF_CODED ? self->code : self->dtype) || array->axes != place->axes) return 0;
    for (int i = 0; i < place->axes; i++)
        if (array->shape[i] != place->shape[i]) return 0;
    return 1;
}

/* Whether an array has one axis, and so many bytes. */
static int bf_flat(const bf_caller *self, PyObject *object, int flags, PyObject *dtype, Py_ssize_t each, Py_ssize_t bytes) {
    const bf_array *array = (bf_array *)object;
    return bf_plain(self, object, BF_LAID_OUT | flags) && array->dtype == dtype && array->axes == 1 &&
           array->shape[0] >= bytes / each;
}

/* The arguments by place; 0 where one has no place, or two have one. Names are compared as objects. */
static int bf_sorted(const bf_caller *self, PyObject *const *args, Py_ssize_t count, PyObject *names, bf_call *call) {
    if (count > self->positional) return 0;
    for (Py_ssize_t i = 0; i < count; i++) call->given[i] = args[i];
    for (Py_ssize_t k = 0; names && k < PyTuple_GET_SIZE(names); k++) {
        PyObject *name = PyTuple_GET_ITEM(names, k), **spot = NULL;
        if (name == self->out) spot = &call->out;
        if (name == self->workspace) spot = &call->workspace;
        for (int i = (int)count; !spot && i < self->place_count; i++)
            if (self->places[i].name == name && self->places[i].role <= BF_ABSENT) spot = call->given + i;
        if (!spot) return 0;
        *spot = args[count + k] == Py_None ? NULL : args[count + k];
    }
    return 1;
}

/* Results, held: the given arrays, or new ones; 0 where one does not fit, -1 with an exception set. */
static int bf_targets(const bf_caller *self, bf_call *call) {
    Py_ssize_t named = 0;
    if (self->by_name && call->out && !PyDict_CheckExact(call->out)) return 0;
    for (int i = 0; i < self->place_count; i++) {
        const bf_place *place = self->places + i;
        PyObject *object = call->out;
        if (place->role != BF_WRITTEN) continue;
        if (self->by_name && object) object = PyDict_GetItemWithError(object, place->name);
        if (!object && PyErr_Occurred()) return -1;
        named += object != NULL;
        if (object && !bf_fits(self, place, object)) return 0;
        Py_XINCREF(object);
        if (!object) object = PyObject_CallFunctionObjArgs(self->empty, place->shape_tuple, self->dtype, NULL);
        if (!object) return -1;
        call->results[i] = object;
        bf_remember(call, i, object, place->bytes);
    }
    return !self->by_name || !call->out || named == PyDict_GET_SIZE(call->out);
}

/* The workspace, held: the given one, or this thread's; 0 where it does not fit, -1 with an exception set. */
static int bf_scratched(bf_caller *self, bf_call *call) {
    unsigned long thread = PyThread_get_thread_ident();
    if (!call->workspace && self->thread != thread) {
        PyObject *fresh = PyObject_CallNoArgs(self->own_scratch);
        if (!fresh) return -1;
        Py_XSETREF(self->scratch, fresh);
        self->thread = thread;
    }
    if (!call->workspace) call->workspace = Py_NewRef(self->scratch);
    PyObject *array = call->workspace;
    const int bytes = bf_flat(self, array, BF_WRITEABLE, self->byte, 1, self->scratch_bytes);
    if (!bytes && !bf_flat(self, array, BF_WRITEABLE, self->dtype, BF_ELEMENT_BYTES, self->scratch_bytes)) return 0;
    bf_remember(call, self->place_count, array, ((bf_array *)array)->shape[0] * (bytes ? 1 : BF_ELEMENT_BYTES));
    return (uintptr_t)((bf_array *)array)->data % _Alignof(E) == 0;
}

/* Operands; 0 where one does not fit. Of a packed weight the snapshot stands for the weight. */
static int bf_read(const bf_caller *self, bf_call *call) {
    PyObject *held = self->weight < 0 ? NULL : call->given[self->weight];
    if (held && Py_TYPE(held) != self->packed_type) held = NULL;
    if (held && (PyTuple_GET_SIZE(held) != self->packed_items || PyTuple_GET_ITEM(held, 0) != self->owner)) return 0;
    for (int i = 0; i < self->place_count; i++) {
        const bf_place *place = self->places + i;
        PyObject *object = place->role == BF_OWN ? place->array : call->given[i];
        if (place->role == BF_ABSENT && object && object != Py_None) return 0;
        if (place->role == BF_UNREAD && object && Py_TYPE(object) == self->packed_type) return 0;
        if (place->role != BF_READ && place->role != BF_CODED && place->role != BF_OWN) continue;
        if (held && i == self->weight) object = PyTuple_GET_ITEM(held, 1);
        if (!object) object = place->array;
        if (!bf_fits(self, place, object)) return 0;
        bf_remember(call, i, object, place->bytes);
    }
    for (int j = 0; held && j < self->job_count; j++) {
        const bf_job *job = self->jobs + j;
        if (!job->packed) continue;
        PyObject *object = PyTuple_GET_ITEM(held, job->item);
        if (!bf_flat(self, object, 0, self->dtype, BF_ELEMENT_BYTES, job->bytes)) return 0;
        bf_remember(call, self->place_count + 1 + j, object, job->bytes);
    }
    return 1;
}

/* Whether results and workspace share no memory with anything else. */
static int bf_separate(const bf_caller *self, const bf_call *call) {
    for (int w = 0; w <= self->place_count; w++) {
        if (w < self->place_count && self->places[w].role != BF_WRITTEN) continue;
        for (int i = 0; i <= self->place_count + self->job_count; i++)
            if (i != w && call->memory[i].from < call->memory[w].to && call->memory[w].from < call->memory[i].to)
                return 0;
    }
    return 1;
}

/* Codes as elements in the workspace, which stand for them from here on; 0 where one is out of range. */
static int bf_coded_all(const bf_caller *self, bf_call *call) {
    for (int i = 0; i < self->place_count; i++) {
        const bf_place *place = self->places + i;
        if (place->role != BF_CODED) continue;
        E *to = (E *)call->memory[self->place_count].from + place->range.start;
        const int64_t *codes = (const int64_t *)call->memory[i].from;
        if (!bf_convert(&place->range, codes, to, place->bytes / (Py_ssize_t)sizeof *codes)) return 0;
        call->memory[i].from = (char *)to;
    }
    return 1;
}

static void bf_run_jobs(const bf_caller *self, const bf_call *call) {
    for (int j = 0; j < self->job_count; j++) {
        const bf_job *job = self->jobs + j;
        char *packed = call->memory[self->place_count + 1 + j].from;
        E *at[BF_MOST_ARGUMENTS];
        for (int i = 0; i < job->count; i++)
            at[i] = (E *)(packed && job->places[i] == self->weight ? packed : call->memory[job->places[i]].from);
        bf_start(packed ? job->packed : job->plain, at);
    }
}

/* The one result, or a dict of all by name; NULL with an exception set. */
static PyObject *bf_result(const bf_caller *self, const bf_call *call) {
    PyObject *found = self->by_name ? PyDict_New() : NULL;
    for (int i = 0; i < self->place_count; i++) {
        if (!call->results[i]) continue;
        if (!self->by_name) return Py_NewRef(call->results[i]);
        if (found && PyDict_SetItem(found, self->places[i].name, call->results[i]) < 0) Py_CLEAR(found);
    }
    return found;
}

static PyObject *bf_called(PyObject *callable, PyObject *const *args, size_t flags, PyObject *names) {
    bf_caller *self = (bf_caller *)callable;
    PyObject *found = NULL;
    bf_call call;
    memset(call.given, 0, self->place_count * sizeof *call.given);
    memset(call.results, 0, self->place_count * sizeof *call.results);
    memset(call.memory, 0, (self->place_count + 1 + self->job_count) * sizeof *call.memory);
    call.out = call.workspace = NULL;
    if (!bf_sorted(self, args, PyVectorcall_NARGS(flags), names, &call))
        return PyObject_Vectorcall(self->slow, args, flags, names);
    Py_XINCREF(call.workspace);
    int fits = bf_targets(self, &call);
    if (fits > 0) fits = bf_scratched(self, &call);
    if (fits > 0) fits = bf_read(self, &call) && bf_separate(self, &call);
    if (fits > 0) {
        Py_BEGIN_ALLOW_THREADS
        fits = bf_coded_all(self, &call);
        if (fits) bf_run_jobs(self, &call);
        Py_END_ALLOW_THREADS
        if (fits) found = bf_result(self, &call);
    }
    Py_XDECREF(call.workspace);
    for (int i = 0; i < self->place_count; i++) Py_XDECREF(call.results[i]);
    return fits ? found : PyObject_Vectorcall(self->slow, args, flags, names);
}

#include "backflip_plan.h"

#endif
