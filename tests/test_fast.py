"""Calls that pass through no Python code: what takes that way, and what it leaves behind."""

from __future__ import annotations

import ctypes
import gc
import inspect
import pydoc
import shutil
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fast_parts import FORWARD, LAYER, SHAPE, Array, Slow, built, counting, drawn, fixed

from codegen import build
from codegen.call import Kernel
from codegen.compile import HEADERS
from codegen.fast import plan_of, probes
from derive.errors import LayerError


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    found = build(LAYER, SHAPE)
    assert isinstance(found, Kernel)
    return found


@pytest.fixture
def counted(kernel: Kernel) -> Slow:
    return counting(kernel)


@pytest.fixture
def d() -> dict[str, Array]:
    return drawn()


def test_what_fits_passes_through_no_python(counted: Slow, d: dict[str, Array]) -> None:
    out, grads = np.empty((1, 2, 3, 3), np.float32), {n: np.empty_like(d[n]) for n in FORWARD}
    flat, own = np.empty(counted.workspace_bytes + 64, np.uint8), np.empty(4000, np.float32)
    x, w, b, g = (d[n] for n in (*FORWARD, "grad_output"))
    right = Kernel.forward(counted, x, w, b)
    exact = Kernel.backward(counted, g, input=x, weight=w)
    assert counted.forward(x, w, b, out=out) is out and (out == right).all()
    for y in (
        counted.forward(x, w, bias=b),
        counted.forward(input=x, weight=w, bias=b, out=None, saved="anything"),
        counted.forward(x, w, b, workspace=flat),
        counted.forward(x, counted.pack_weights(w), b, workspace=own, grad_output=g),
    ):
        assert type(y) is np.ndarray and y.flags.owndata and (y == right).all()
    for found in (
        counted.backward(g, input=x, weight=w, out=grads),
        counted.backward(grad_output=g, input=x, weight=w, bias=b),
        counted.backward(
            g, input=x, weight=counted.pack_weights(w), out={"bias": grads["bias"]}, workspace=own
        ),
    ):
        assert list(found) == list(exact) and all((found[n] == exact[n]).all() for n in exact)
        assert found["bias"] is not exact["bias"]
    assert counted.calls == 0


def test_memory_that_is_shared(counted: Slow, d: dict[str, Array]) -> None:
    """One element is enough; neighbours are none."""
    memory = np.ones(200, np.float32)
    x = memory[50:66].reshape(SHAPE)
    for start, shares in ((32, False), (33, True), (49, True), (65, True), (66, False)):
        out = memory[start : start + 18].reshape(1, 2, 3, 3)
        call = lambda out=out: counted.forward(x, d["weight"], d["bias"], out=out)  # noqa: E731
        if shares:
            with pytest.raises(LayerError, match="out overlaps input"):
                call()
            assert (memory == 1).all()
        else:
            call()
            memory[:] = 1
    calls = counted.calls
    with pytest.raises(LayerError, match="overlaps"):
        counted.forward(x, d["weight"], d["bias"], workspace=memory)
    assert counted.calls == calls + 1 == 4


def test_references_are_given_back(counted: Slow, d: dict[str, Array]) -> None:
    out, grads = np.empty((1, 2, 3, 3), np.float32), {n: np.empty_like(d[n]) for n in FORWARD}
    workspace, bad = np.empty(4000, np.float32), np.zeros((1, 2, 3, 4), np.float32)
    unfit = fixed(np.zeros(4000, np.float32))
    packed = counted.pack_weights(d["weight"])
    counted.forward(d["input"], d["weight"], d["bias"])
    counted.backward(d["grad_output"], input=d["input"], weight=d["weight"])
    watched = [*d.values(), out, *grads.values(), grads, workspace, bad, packed, *packed[1:], counted]
    watched += [counted._scratch(None), *(vars(counted)[n] for n in ("forward", "backward"))]
    before = [sys.getrefcount(w) for w in watched]
    for _ in range(50):
        counted.forward(d["input"], d["weight"], d["bias"], out=out, workspace=workspace)
        counted.forward(d["input"], packed, d["bias"])
        counted.backward(d["grad_output"], input=d["input"], weight=d["weight"], out=grads)
        for wrong in (
            lambda: counted.forward(d["input"], d["weight"], bad, out=out, workspace=workspace),
            lambda: counted.forward(d["input"], d["weight"], d["bias"], out=bad, workspace=workspace),
            lambda: counted.backward(bad, input=d["input"], weight=packed, out=grads),
            lambda: counted.backward(d["grad_output"], input=d["input"], weight=packed, out={"input": bad}),
            lambda: counted.forward(d["input"], d["weight"], d["bias"], out=out, workspace=unfit),
        ):
            with pytest.raises(LayerError):
                wrong()
    gc.collect()
    assert [sys.getrefcount(w) for w in watched] == before


def test_an_array_that_cannot_be_made(kernel: Kernel, d: dict[str, Array]) -> None:
    """The error is passed on, nothing is called instead, and nothing is lost."""

    def empty(shape: Any, dtype: Any) -> Any:
        raise MemoryError("none left")

    plan = plan_of(kernel, built(kernel), kernel._given, ["output"], FORWARD)
    assert plan is not None
    numbers, known, *rest = plan
    raising = (numbers, (*known[:4], empty, *known[5:]), *rest)
    found = kernel._module.fast(raising, lambda *a, **k: "slow")
    counts = [sys.getrefcount(a) for a in d.values()]
    with pytest.raises(MemoryError, match="none left"):
        found(*(d[n] for n in FORWARD))
    assert counts == [sys.getrefcount(a) for a in d.values()]
    assert found(1, 2, 3, 4) == "slow"


def test_plans_that_are_none(kernel: Kernel) -> None:
    plan = plan_of(kernel, built(kernel), kernel._given, ["output"], FORWARD)
    assert plan is not None
    numbers, known, places, jobs, tried = plan
    short = ((*jobs[0][:4], jobs[0][4][:-1]),)
    for wrong in (
        (numbers, known, places, short, tried),
        (numbers, known, places, ((1, *jobs[0][1:]),), tried),
        (numbers, known, ((1,), *places[1:]), jobs, tried),
        (numbers, known, places, jobs, ((known[2], 1),)),
        (numbers, known, places, ((*jobs[0][:4], (99, *jobs[0][4][1:])),), tried),
        (numbers, known, places, ((*jobs[0][:4], (-1, *jobs[0][4][1:])),), tried),
        (numbers, known, (("input", 0, (1,) * 9, None), *places[1:]), jobs, tried),
        (),
    ):
        with pytest.raises((TypeError, ValueError)):
            kernel._module.fast(wrong, print)
    assert kernel._module.fast((numbers, known, places * 9, jobs, tried), print) is print
    assert kernel._module.fast(((False, 99, *numbers[2:]), known, places, jobs, tried), print) is print


def test_another_layout_of_arrays_is_left_alone(kernel: Kernel) -> None:
    """Where an array is not where it should be, or its flags mean something else, there is no quick way."""
    plan = plan_of(kernel, built(kernel), kernel._given, ["output"], FORWARD)
    assert plan is not None and kernel._module.fast(plan, print) is not print
    for array, flags in probes(np.dtype(np.float32)):
        for wrong in (0x1, 0x100, 0x400):
            assert kernel._module.fast((*plan[:4], ((array, flags ^ wrong),)), print) is print
    double = ((np.zeros(3), 0x501),)
    assert kernel._module.fast((*plan[:4], double), print) is print


LAYOUT = """
#include <Python.h>
#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <numpy/ndarraytypes.h>
#include "backflip_entry.h"
#define SAME(ours, theirs) \\
    _Static_assert(offsetof(bf_array, ours) == offsetof(PyArrayObject_fields, theirs), #ours)
SAME(data, data); SAME(axes, nd); SAME(shape, dimensions); SAME(strides, strides); SAME(base, base);
SAME(dtype, descr); SAME(flags, flags);
_Static_assert(BF_LAID_OUT == (NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED), "laid out");
_Static_assert(BF_WRITEABLE == NPY_ARRAY_WRITEABLE, "writeable");
"""


@pytest.mark.parametrize(
    ("old", "new", "status"), [("", "", 0), ("SAME(data, data)", "SAME(data, flags)", 1)]
)
def test_the_layout_is_numpy_s(tmp_path: Path, old: str, new: str, status: int) -> None:
    from sysconfig import get_paths

    source = tmp_path / "layout.c"
    source.write_text(LAYOUT.replace(old, new, 1) if old else LAYOUT)
    folders = [np.get_include(), str(HEADERS), get_paths()["include"]]
    flags = ["-fsyntax-only", "-w", "-DBF_ELEMENT_FLOAT", "-DBF_LANES=4", *(f"-I{f}" for f in folders)]
    done = subprocess.run([str(shutil.which("gcc")), *flags, str(source)], capture_output=True, check=False)
    assert done.returncode == status, done.stderr


def test_it_says_what_the_method_says(kernel: Kernel) -> None:
    for name in ("forward", "backward"):
        found, method = getattr(kernel, name), getattr(Kernel, name)
        assert name in vars(kernel) and found.__doc__ == method.__doc__ and found.__name__ == name
        bound = inspect.signature(method.__get__(kernel))
        assert inspect.signature(found) == bound and inspect.isroutine(found)
        shown = pydoc.render_doc(found, renderer=pydoc.plaintext)
        assert f"\n{name}(" in shown and "LayerError" in shown
        assert repr(found) == repr(method.__get__(kernel)) and found.__self__ is kernel


def test_a_kernel_object_can_be_let_go(kernel: Kernel, d: dict[str, Array]) -> None:
    k = Kernel(kernel.layer, SHAPE, kernel.dtype, kernel.wrt, kernel._given, built(kernel))
    forward = k.forward
    right, gone = forward(*(d[n] for n in FORWARD)), weakref.ref(k)
    del k
    gc.collect()
    assert gone() is not None and (forward(*(d[n] for n in FORWARD)) == right).all()
    del forward
    gc.collect()
    assert gone() is None


def test_each_thread_has_a_workspace(kernel: Kernel, d: dict[str, Array]) -> None:
    """Threads that take turns, and one that comes after another has ended."""
    right = kernel.forward(*(d[n] for n in FORWARD)).tobytes()
    seen: dict[int, list[int]] = {}
    gate = threading.Barrier(3)

    def work(number: int) -> None:
        for _ in range(20):
            gate.wait()
            assert kernel.forward(*(d[n] for n in FORWARD)).tobytes() == right
            seen.setdefault(number, []).append(id(kernel._scratch(None)))

    for _ in range(2):
        threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert all(len(seen[n]) == 40 for n in range(3))


def test_the_lock_is_released(kernel: Kernel, d: dict[str, Array]) -> None:
    """Another thread runs Python code while a kernel runs: a runner that waits for it."""
    arrived, wait = threading.Event(), threading.Event()

    @ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    def waits(at: int | None) -> None:
        arrived.set()
        assert wait.wait(20)

    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    context = ctypes.pythonapi.PyCapsule_SetContext
    context.argtypes = (ctypes.py_object, ctypes.c_void_p)
    plan = plan_of(kernel, built(kernel), kernel._given, ["output"], FORWARD)
    assert plan is not None
    numbers, known, places, jobs, tried = plan
    title = ctypes.create_string_buffer(b"backflip.runner")
    runner = new(ctypes.cast(waits, ctypes.c_void_p), ctypes.cast(title, ctypes.c_char_p), None)
    context(runner, len(jobs[0][4]))
    found = kernel._module.fast((numbers, known, places, ((runner, *jobs[0][1:]),), tried), print)
    one = threading.Thread(target=found, args=tuple(d[n] for n in FORWARD))
    one.start()
    assert arrived.wait(20)
    wait.set()
    one.join(20)
    assert not one.is_alive()
