"""Owns the plans of calls that pass through no Python code: the arrays of a call, and what is run on them.

A plan is read by the generated module (targets/cython/backflip_plan.h). Its callable runs the kernels where
every array fits as it is; whatever else a call brings, it hands to the method of `codegen.kernel`, which
checks, converts, refuses. A call whose operands have to be looked at (bounds) has no plan; codes are looked
at and converted there, into the workspace behind what kernels use.

A plan is a tuple of five:
    (whether results are a dict by name, number of positional arguments, place of the weight or -1, items of a
     packed weight, bytes of workspace);
    (ndarray, Packed, dtype, dtype of bytes, numpy.empty, the kernel object, what gives a thread its scratch,
     dtype of codes, and the two keywords that are no operands);
    places, each (keyword or None, role, shape, array or None), positional ones first; the array is the
     kernel's own, or stands for an operand that is left out; for codes it is (place in the workspace, least
     and greatest value, the ignored one and what it is instead);
    kernels, each (runner, runner on a packed weight or None, its item there, its elements, places of arrays);
    probes, each an array and the flags that it must show.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen.given import Given
from codegen.packing import Packed, positions

if TYPE_CHECKING:
    from codegen.kernel import Kernel
    from codegen.produce import Built

READ, CODED, UNREAD, ABSENT, WRITTEN, OWN = range(6)
LARGEST = 2**31 - 1
"""Codes up to it are converted there."""
MOST_PLACES, MOST_AXES, MOST_ARGUMENTS = 24, 8, 16
APART = 16
"""Codes begin in the workspace at multiples of this many elements."""
CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400
WEIGHT = sys.intern("weight")
WORDS = ("__module__", "__name__", "__qualname__", "__doc__", "__self__", "__func__")


@dataclass
class Places:
    """The arrays of a plan in order, and where each is found by its title in the kernels."""

    rows: list[tuple[str | None, int, tuple[int, ...], Any]] = field(default_factory=list)
    spots: dict[str, int] = field(default_factory=dict)

    def add(
        self, title: str, name: str | None, role: int, shape: Sequence[int] = (), array: Any = None
    ) -> None:
        self.spots[title] = len(self.rows)
        self.rows.append((name and sys.intern(name), role, tuple(shape), array))


def quick(kernel: Kernel, built: Built, given: Given) -> dict[str, Any]:
    """`forward` and `backward` of a kernel object as callables of its module, where they have a plan."""
    forward = [n for n in built.kernels if n == "output" or n.startswith("new_")]
    backward = [f"grad_{name}" for name in kernel.wrt]
    plans = {}
    if forward == ["output"] and not getattr(kernel.layer, "return_indices", False):
        plans["forward"] = plan_of(kernel, built, given, forward, ("input", "weight", "bias"))
    if backward:
        plans["backward"] = plan_of(kernel, built, given, backward, ("grad_output",))
    made = {n: (getattr(kernel, n), plan) for n, plan in plans.items() if plan is not None}
    called = {n: (slow, built.module.fast(plan, slow)) for n, (slow, plan) in made.items()}
    return {n: _worded(found, slow) for n, (slow, found) in called.items() if found is not slow}


def plan_of(
    kernel: Kernel, built: Built, given: Given, names: Sequence[str], positional: Sequence[str]
) -> tuple[Any, ...] | None:
    """The plan of a call of kernels; None where it has none. `["output"]` gives one array, others a dict."""
    needed = given.needs(*names)
    checked = [n for n in needed if n not in given.tables]
    coded = {n: given.coded[n] for n in checked if n in given.coded}
    if any(n not in given.wanted or given.wanted[n].bounds is not None for n in checked if n not in coded):
        return None
    if any(c.high > LARGEST for c in coded.values()) or sum(c.computed for c in coded.values()) > 1:
        return None
    starts, _ = laid_out(built.kernels, given, names)
    by_name = list(names) != ["output"]
    places = _places(given, checked, positional, [n.removeprefix("grad_") for n in names], starts)
    own = {n: given.tables[n] for n in needed if n in given.tables}
    for title, array in {**own, **{n: a for name in names for n, a in given.own[name].items()}}.items():
        places.add(title, None, OWN, array.shape, array)
    jobs = _jobs(built, given, names, places)
    counts = [len(spots) for *_, spots in jobs]
    axes = [len(shape) for _, _, shape, _ in places.rows]
    if len(axes) > MOST_PLACES or max(axes) > MOST_AXES or max(counts) > MOST_ARGUMENTS:
        return None
    items = 2 + len(positions(built.kernels))
    dtype = np.dtype(kernel.dtype)
    numbers = by_name, len(positional), places.spots.get(WEIGHT, -1), items, kernel.workspace_bytes
    known = np.ndarray, Packed, dtype, np.dtype(np.uint8), np.empty, kernel, kernel._scratch_of_thread
    words = sys.intern("out"), sys.intern("workspace")
    return numbers, (*known, np.dtype(np.int64), *words), tuple(places.rows), tuple(jobs), probes(dtype)


def laid_out(
    kernels: Mapping[str, Mapping[str, Any]], given: Given, names: Sequence[str]
) -> tuple[dict[str, int], int]:
    """Where in the workspace a call of kernels has its codes as elements, and the elements of all of it."""
    end, starts = max((int(kernels[n]["workspace"]) for n in names), default=0), {}
    for title in (n for n in given.needs(*names) if n in given.coded):
        starts[title] = -(-end // APART) * APART
        end = starts[title] + given.coded[title].count
    return starts, end


def _places(
    given: Given,
    needed: Sequence[str],
    positional: Sequence[str],
    results: Sequence[str],
    starts: Mapping[str, int],
) -> Places:
    """Operands by the roles they have in this call, then the results."""
    places = Places()
    known = [n for n in given.wanted if n != "output"]
    known += [n for n, code in given.coded.items() if not code.computed]
    saved = next((n for n in starts if given.coded[n].computed), "saved")
    for name in dict.fromkeys((*positional, *known, saved)):
        if name in starts:
            code = given.coded[name]
            word = "saved" if code.computed else name
            places.add(name, word, CODED, code.shape, (starts[name], *code.limits))
        elif name in needed:
            left_out = np.ones((), given.wanted[name].dtype) if given.wanted[name].shape == () else None
            default = left_out if name == "grad_output" else None
            places.add(name, name, READ, given.wanted[name].shape, default)
        else:
            places.add(name, name, UNREAD if name in known or name == "saved" else ABSENT)
    for name in results:
        places.add(f"result {name}", name, WRITTEN, given.wanted[name].shape)
    return places


def _jobs(
    built: Built, given: Given, names: Sequence[str], places: Places
) -> list[tuple[Any, Any, int, int, tuple[int, ...]]]:
    """The kernels with their arrays by place; the workspace lies behind all places."""
    jobs, packs = [], positions(built.kernels)
    for name in names:
        result = places.spots[f"result {name.removeprefix('grad_')}"]
        spots = (result, *(places.spots[n] for n in given.order[name]), len(places.rows))
        plain, packed = getattr(built.module, f"runner_{name}")(), None
        if name in packs:
            packed = getattr(built.module, f"runner_packed_{name}")()
        jobs.append((plain, packed, packs.get(name, 0), int(built.kernels[name].get("packed", 0)), spots))
    return jobs


def probes(dtype: np.dtype[Any]) -> tuple[tuple[np.ndarray[Any, Any], int], ...]:
    """Arrays of each kind that a callable tells apart, with their flags."""
    whole = np.zeros((2, 4), dtype)
    fixed = np.zeros((2, 3, 4), dtype)
    fixed.flags.writeable = False
    askew = np.zeros(whole.nbytes + 1, np.uint8)[1:].view(dtype)
    return (
        (whole, CONTIGUOUS | ALIGNED | WRITEABLE),
        (whole[:, ::2], ALIGNED | WRITEABLE),
        (whole.T, ALIGNED | WRITEABLE),
        (fixed, CONTIGUOUS | ALIGNED),
        (askew, CONTIGUOUS | WRITEABLE),
        (np.zeros((), dtype), CONTIGUOUS | ALIGNED | WRITEABLE),
    )


def _worded(found: Any, slow: Any) -> Any:
    """A callable that says of itself what the method says, to `help` and `inspect.signature` too."""
    for name in WORDS:
        setattr(found, name, getattr(slow, name, None))
    found.__wrapped__ = slow
    return found
