/* How a plan of Python becomes a callable (backflip_call.h). */
#ifndef BACKFLIP_PLAN_H
#define BACKFLIP_PLAN_H

static int bf_visit(PyObject *object, visitproc visit, void *arg) {
    bf_caller *self = (bf_caller *)object;
    Py_VISIT(self->words);
    Py_VISIT(self->slow);
    Py_VISIT(self->plan);
    Py_VISIT(self->scratch);
    return 0;
}
static void bf_drop(PyObject *object) {
    bf_caller *self = (bf_caller *)object;
    PyObject_GC_UnTrack(object);
    Py_XDECREF(self->words);
    Py_XDECREF(self->slow);
    Py_XDECREF(self->plan);
    Py_XDECREF(self->scratch);
    PyObject_GC_Del(object);
}
static PyObject *bf_itself(PyObject *object, PyObject *owner, PyObject *type) { return Py_NewRef(object); }
static PyObject *bf_shown(PyObject *object) { return PyObject_Repr(((bf_caller *)object)->slow); }

static PyTypeObject bf_caller_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "backflip.call",
    .tp_basicsize = sizeof(bf_caller),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_HAVE_GC,
    .tp_vectorcall_offset = offsetof(bf_caller, vectorcall),
    .tp_dictoffset = offsetof(bf_caller, words),
    .tp_call = PyVectorcall_Call,
    .tp_descr_get = bf_itself, /* inspect and help take what has it for a routine */
    .tp_repr = bf_shown,
    .tp_traverse = bf_visit,
    .tp_dealloc = bf_drop,
};

/* Whether arrays lie in memory as this file says: (array, its flags) are of every kind that is told apart here. */
static int bf_known(const bf_caller *self, PyObject *probes) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(probes); i++) {
        bf_array *array;
        Py_buffer view;
        int flags, same;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(probes, i), "O!i", self->array_type, &array, &flags)) return -1;
        if (PyObject_GetBuffer((PyObject *)array, &view, PyBUF_FULL_RO) < 0) return -1;
        same = array->data == view.buf && array->axes == view.ndim && array->dtype == self->dtype &&
               (array->flags & (BF_LAID_OUT | BF_WRITEABLE)) == flags;
        for (int axis = 0; same && axis < view.ndim; axis++)
            same = array->shape[axis] == view.shape[axis] && array->strides[axis] == view.strides[axis];
        PyBuffer_Release(&view);
        if (!same) return 0;
    }
    return 1;
}

/* The range of codes: (start, least, greatest, ignored, instead); 0 with an exception set where it is none. */
static int bf_ranged(const bf_caller *self, bf_place *place) {
    bf_range *range = &place->range;
    if (!PyTuple_Check(place->array)) PyErr_SetString(PyExc_TypeError, "codes without a range");
    else if (PyArg_ParseTuple(place->array, "nLLLL", &range->start, &range->low, &range->high, &range->ignored,
                              &range->instead)) {
        const Py_ssize_t room = self->scratch_bytes / BF_ELEMENT_BYTES - place->bytes / (Py_ssize_t)sizeof(int64_t);
        if (range->start < 0 || range->start > room || range->low < INT32_MIN || range->high > INT32_MAX)
            PyErr_SetString(PyExc_ValueError, "codes that have no room, or are too large");
    }
    return !PyErr_Occurred();
}

/* One place of a plan: (name, role, shape, array); 0 with an exception set where it is none. */
static int bf_placed(bf_caller *self, PyObject *item) {
    bf_place *place = self->places + self->place_count++;
    if (!PyArg_ParseTuple(item, "OiO!O", &place->name, &place->role, &PyTuple_Type, &place->shape_tuple, &place->array))
        return 0;
    place->axes = (int)PyTuple_GET_SIZE(place->shape_tuple);
    place->bytes = place->role == BF_CODED ? (Py_ssize_t)sizeof(int64_t) : BF_ELEMENT_BYTES;
    if (place->axes > BF_MOST_AXES) PyErr_SetString(PyExc_ValueError, "an array of too many axes");
    for (int i = 0; i < place->axes && !PyErr_Occurred(); i++) {
        place->shape[i] = PyLong_AsSsize_t(PyTuple_GET_ITEM(place->shape_tuple, i));
        place->bytes *= place->shape[i];
    }
    return !PyErr_Occurred() && (place->role != BF_CODED || bf_ranged(self, place));
}

/* One kernel of a plan: (runner, runner on a packed weight or None, item, elements, places). */
static int bf_planned(bf_caller *self, PyObject *item) {
    bf_job *job = self->jobs + self->job_count++;
    PyObject *plain, *packed, *places;
    if (!PyArg_ParseTuple(item, "OOnnO!", &plain, &packed, &job->item, &job->bytes, &PyTuple_Type, &places)) return 0;
    job->bytes *= BF_ELEMENT_BYTES;
    job->plain = (bf_work)PyCapsule_GetPointer(plain, BF_RUNNER);
    if (packed != Py_None) job->packed = (bf_work)PyCapsule_GetPointer(packed, BF_RUNNER);
    job->count = (int)PyTuple_GET_SIZE(places);
    if (job->plain && (Py_ssize_t)PyCapsule_GetContext(plain) != job->count)
        PyErr_SetString(PyExc_ValueError, "a kernel with another number of arrays");
    if (job->count > BF_MOST_ARGUMENTS) PyErr_SetString(PyExc_ValueError, "a kernel of too many arrays");
    for (int i = 0; i < job->count && !PyErr_Occurred(); i++) {
        const long place = PyLong_AsLong(PyTuple_GET_ITEM(places, i));
        job->places[i] = (int)place;
        if (place < 0 || place > self->place_count) PyErr_SetString(PyExc_ValueError, "no such place");
    }
    return !PyErr_Occurred();
}

static int bf_filled(bf_caller *self, PyObject *plan) {
    PyObject *places, *jobs, *probes;
    if (!PyArg_ParseTuple(plan, "(piinn)(OOOOOOOOOO)O!O!O!", &self->by_name, &self->positional, &self->weight,
                          &self->packed_items, &self->scratch_bytes, &self->array_type, &self->packed_type,
                          &self->dtype, &self->byte, &self->empty, &self->owner, &self->own_scratch, &self->code,
                          &self->out, &self->workspace, &PyTuple_Type, &places, &PyTuple_Type, &jobs, &PyTuple_Type,
                          &probes))
        return -1;
    if (PyTuple_GET_SIZE(places) > BF_MOST_PLACES || PyTuple_GET_SIZE(jobs) > BF_MOST_PLACES) return 0;
    if (self->positional > PyTuple_GET_SIZE(places) || self->weight >= PyTuple_GET_SIZE(places)) return 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(places); i++)
        if (!bf_placed(self, PyTuple_GET_ITEM(places, i))) return -1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(jobs); i++)
        if (!bf_planned(self, PyTuple_GET_ITEM(jobs, i))) return -1;
    return bf_known(self, probes);
}

/* A callable for a plan, or `slow` itself where the plan is too large or arrays are not laid out as known here. */
static PyObject *bf_fast(PyObject *plan, PyObject *slow) {
    if (PyType_Ready(&bf_caller_type) < 0) return NULL;
    bf_caller *self = PyObject_GC_New(bf_caller, &bf_caller_type);
    if (!self) return NULL;
    memset((char *)self + sizeof(PyObject), 0, sizeof *self - sizeof(PyObject));
    self->vectorcall = bf_called;
    self->slow = Py_NewRef(slow);
    self->plan = Py_NewRef(plan);
    const int known = bf_filled(self, plan);
    PyObject_GC_Track((PyObject *)self);
    if (known > 0) return (PyObject *)self;
    Py_DECREF(self);
    return known ? NULL : Py_NewRef(slow);
}

#endif
