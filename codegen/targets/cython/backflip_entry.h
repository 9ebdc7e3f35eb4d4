/* How Python objects become flat arrays of elements: checked for layout, length and alignment, held while used. */
#ifndef BACKFLIP_ENTRY_H
#define BACKFLIP_ENTRY_H

#include <Python.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include "backflip_ops.h"
#ifdef _OPENMP
#include <omp.h>
#endif

#define BF_MOST_ARGUMENTS 16
#define BF_RUNNER "backflip.runner"

/* A kernel on its arrays: what it writes, operands, workspace. */
typedef void (*bf_work)(E **);

typedef struct {
    Py_buffer views[BF_MOST_ARGUMENTS];
    int count;
} bf_arguments;

/* In a process that was forked the threads of its parent are gone, and OpenMP would wait for them for ever. */
static int bf_one_thread;
static void bf_on_one_thread(int yes) { bf_one_thread = yes; }

/* Every run of a kernel, checked or not, is this one. */
static __attribute__((noinline, unused)) void bf_start(bf_work work, E **at) {
#ifdef _OPENMP
    const int levels = omp_get_max_active_levels();
    if (bf_one_thread) omp_set_max_active_levels(0);
    work(at);
    if (bf_one_thread) omp_set_max_active_levels(levels);
#else
    work(at);
#endif
}

/* The elements of `object`, at least `least` of them (exactly, unless `more`); NULL with an exception set. */
static E *bf_take(bf_arguments *taken, PyObject *object, const char *name, Py_ssize_t least, int writable, int more) {
    Py_buffer *view = taken->views + taken->count;
    if (taken->count == BF_MOST_ARGUMENTS) {
        PyErr_Format(PyExc_ValueError, "%s: more than %d arguments", name, BF_MOST_ARGUMENTS);
        return NULL;
    }
    if (PyObject_GetBuffer(object, view, writable ? PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE : PyBUF_C_CONTIGUOUS) < 0)
        return NULL;
    taken->count++;
    Py_ssize_t wanted = least * BF_ELEMENT_BYTES;
    if (view->len < wanted || (view->len > wanted && !more)) {
        PyErr_Format(PyExc_ValueError, "%s: expected %zd bytes, got %zd", name, wanted, view->len);
        return NULL;
    }
    if ((uintptr_t)view->buf % _Alignof(E)) {
        PyErr_Format(PyExc_ValueError, "%s: not aligned to its elements", name);
        return NULL;
    }
    return (E *)view->buf;
}

/* The first array and the last one, out and workspace, lie apart from every other; -1 with an exception set. */
static int bf_apart(const bf_arguments *taken) {
    const int written[] = {0, taken->count - 1};
    for (int w = 0; w < 2; w++)
        for (int i = 0; i < taken->count; i++) {
            const Py_buffer *a = taken->views + written[w], *b = taken->views + i;
            const char *from_a = (const char *)a->buf, *from_b = (const char *)b->buf;
            if (a != b && from_a < from_b + b->len && from_b < from_a + a->len) {
                PyErr_Format(PyExc_ValueError, "arguments %d and %d overlap", written[w], i);
                return -1;
            }
        }
    return 0;
}

/* Runs a kernel on the arrays taken, in their order, without the interpreter's lock; -1 with an exception set. */
static int bf_run(const bf_arguments *taken, bf_work work) {
    E *at[BF_MOST_ARGUMENTS];
    if (bf_apart(taken) < 0) return -1;
    for (int i = 0; i < taken->count; i++) at[i] = (E *)taken->views[i].buf;
    Py_BEGIN_ALLOW_THREADS
    bf_start(work, at);
    Py_END_ALLOW_THREADS
    return 0;
}

static void bf_release(bf_arguments *taken) {
    while (taken->count) PyBuffer_Release(taken->views + --taken->count);
}

/* A kernel of `count` arrays as an object, for a plan. */
static PyObject *bf_runner(bf_work work, int count) {
    PyObject *found = PyCapsule_New((void *)work, BF_RUNNER, NULL);
    if (found) PyCapsule_SetContext(found, (void *)(uintptr_t)count);
    return found;
}

/* Poisons every element of a writable buffer; -1 with an exception set. */
static int bf_spoil(PyObject *object) {
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) < 0) return -1;
    e_poison((E *)view.buf, view.len / BF_ELEMENT_BYTES);
    PyBuffer_Release(&view);
    return 0;
}

#include "backflip_call.h"

#endif
