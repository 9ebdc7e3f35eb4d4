/* How Python objects become flat arrays of elements: checked for layout, length and alignment, held while used. */
#ifndef BACKFLIP_ENTRY_H
#define BACKFLIP_ENTRY_H

#include <Python.h>
#include "backflip_ops.h"

#define BF_MOST_ARGUMENTS 16

typedef struct {
    Py_buffer views[BF_MOST_ARGUMENTS];
    int count;
} bf_arguments;

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

static void bf_release(bf_arguments *taken) {
    while (taken->count) PyBuffer_Release(taken->views + --taken->count);
}

/* Poisons every element of a writable buffer; -1 with an exception set. */
static int bf_spoil(PyObject *object) {
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) < 0) return -1;
    e_poison((E *)view.buf, view.len / BF_ELEMENT_BYTES);
    PyBuffer_Release(&view);
    return 0;
}

#endif
