"""Owns the enumeration of a sum's index values at given sizes with NumPy, and the bounds of its reads.

A term's indices fall into *components* that no condition couples; the set of index values that the
conditions allow is the full product of the components' sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from derive.errors import LimitError, ProofError
from derive.expr import Apply, Factor, Partial, Read, Sum, Tensor
from derive.index import Condition, Form, Index, Zero

Array = NDArray[np.int64]
MAX_COMPONENT = 20_000_000
"""Rows that one component may have while it is enumerated (160 MB a column)."""


def components(indices: Sequence[Index], couplings: Iterable[frozenset[str]]) -> list[list[Index]]:
    """Indices joined whenever one coupling names both; in order of first member."""
    group = {i.name: [i] for i in indices}
    for coupled in couplings:
        named = [n for n in sorted(coupled) if n in group]
        for other in named[1:]:
            first, second = group[named[0]], group[other]
            if first is not second:
                first += second
                group |= {i.name: first for i in second}
    unique = {id(members): members for members in (group[i.name] for i in indices)}
    return list(unique.values())


def enumerate_component(members: Sequence[Index], conditions: Sequence[Condition]) -> dict[str, Array]:
    """All values of the indices at which the conditions hold, one column an index.

    A condition [form = 0] that leaves one index open is solved for it (division exact or no row);
    otherwise the open index of least extent runs through its range. Conditions filter as soon as they
    name nothing open.
    """
    open_names = {i.name: _extent(i) for i in members}
    columns: dict[str, Array] = {}
    pending, rows = list(conditions), 1
    while open_names:
        solved = next(
            ((c, n, k) for c in pending if (found := _solvable(c, open_names)) for n, k in (found,)), None
        )
        if solved is not None:
            condition, index, factor = solved
            columns, pending = _solve(columns, condition, index, factor, open_names[index], rows), pending
        else:
            index = min(open_names, key=lambda n: (open_names[n], n))
            columns = _spread(columns, index, open_names[index], rows)
        del open_names[index]
        decided = [c for c in pending if not c.names & open_names.keys()]
        pending = [c for c in pending if c.names & open_names.keys()]
        for condition in decided:
            keep = np.broadcast_to(condition.holds(columns), columns[index].shape)
            columns = columns if keep.all() else {n: v[keep] for n, v in columns.items()}
        rows = len(columns[index])
    return columns


def _extent(index: Index) -> int:
    extent = index.extent.constant
    if extent is None:
        raise ProofError("size without a number", where=f"index {index.name}", got=str(index.extent))
    return extent


def _solvable(condition: Condition, open_names: Mapping[str, int]) -> tuple[str, int] | None:
    if not isinstance(condition, Zero):
        return None
    missing = condition.names & open_names.keys()
    if len(missing) != 1:
        return None
    (index,) = missing
    factor = condition.form.coefficient(index)
    constant = None if factor is None else factor.constant
    return (index, constant) if constant else None


def _solve(
    columns: dict[str, Array], condition: Condition, index: str, factor: int, extent: int, rows: int
) -> dict[str, Array]:
    """The one value of `index` that makes factor*index + rest = 0, where it is whole and in range."""
    rest = condition.form.substitute({index: Form()}).evaluate(columns)
    value, remainder = np.divmod(-np.broadcast_to(np.asarray(rest, np.int64), (rows,)), factor)
    keep = (remainder == 0) & (value >= 0) & (value < extent)
    return {n: v[keep] for n, v in columns.items()} | {index: value[keep]}


def _spread(columns: dict[str, Array], index: str, extent: int, rows: int) -> dict[str, Array]:
    if rows * extent > MAX_COMPONENT:
        raise LimitError(
            "too many index values to enumerate",
            where=f"index {index}",
            expected=f"at most {MAX_COMPONENT:,} at a time",
            got=f"{rows * extent:,}",
            mend="use a smaller shape, or the theorem for all sizes",
        )
    values = np.arange(extent, dtype=np.int64)
    if rows == 1:
        return {n: np.repeat(v, extent) for n, v in columns.items()} | {index: values}
    return {n: np.repeat(v, extent) for n, v in columns.items()} | {index: np.tile(values, rows)}


def possible(where: str, conditions: Sequence[Condition], known: set[str]) -> bool:
    """Whether the conditions that name nothing hold; ProofError for one that names an unbound index."""
    for condition in conditions:
        if condition.names - known:
            raise ProofError("condition names an unbound index", where=where, got=str(condition))
    return all(bool(c.holds({})) for c in conditions if not c.names)


def check_reads(where: str, free: Sequence[Index], term: Sum) -> None:
    """Every read of the term inside its tensor at every index value that its conditions allow.

    Raises ProofError naming the read and one index value at which it falls outside.
    """
    indices = (*free, *term.indices)
    if len({i.name for i in indices}) < len(indices):
        raise ProofError("an index is bound twice", where=where, expected="distinct names", got=str(term))
    if not possible(where, term.conditions, {i.name for i in indices}):
        return
    spaces = []
    for members in components(indices, (c.names for c in term.conditions)):
        named = {i.name for i in members}
        spaces.append(enumerate_component(members, [c for c in term.conditions if c.names & named]))
    if any(len(next(iter(space.values()))) == 0 for space in spaces):
        return
    for read in (r for f in term.factors for r in reads_of(f)):
        _check_read(where, read, spaces, {i.name for i in indices})


def reads_of(factor: Factor) -> tuple[Read, ...]:
    """The entries that a factor names."""
    match factor:
        case Partial(of, wrt):
            return of, wrt
        case Apply(_, of):
            return (of,)
        case Read():
            return (factor,)


def _check_read(where: str, read: Read, spaces: list[dict[str, Array]], known: set[str]) -> None:
    if len(read.index) != len(read.tensor.shape):
        raise ProofError("read of wrong rank", where=where, expected=str(read.tensor), got=str(read))
    if read.names - known:
        raise ProofError(
            "read names an unbound index", where=where, got=f"{read}: {sorted(read.names - known)}"
        )
    for axis, (form, extent) in enumerate(zip(read.index, sizes(read.tensor), strict=True)):
        parts = _parts(form, spaces)
        start = sum(c for m, c in form.terms if not m)
        low, high = (start + sum(int(end(v)) for _, v in parts) for end in (np.min, np.max))
        if low < 0 or high >= extent:
            pick = np.argmin if low < 0 else np.argmax
            at = {n: int(space[n][pick(v)]) for space, v in parts for n in space if n in form.names}
            spot = ", ".join(f"{n} = {v}" for n, v in sorted(at.items()))
            raise ProofError(
                "read outside its tensor",
                where=where,
                expected=f"0 <= {form} < {extent} on axis {axis} of {read.tensor.name}",
                got=f"{read} reads {low if low < 0 else high}" + (f" at {spot}" if spot else ""),
            )


def _parts(form: Form, spaces: list[dict[str, Array]]) -> list[tuple[dict[str, Array], Array]]:
    """What each space that the form names adds to it, at each of the space's index values."""
    touched = [s for s in spaces if not form.names.isdisjoint(s)]
    if len(touched) > 1 and any(sum(not s.keys().isdisjoint(m) for s in touched) > 1 for m, _ in form.terms):
        raise LimitError(
            "index form too mixed to bound", where=str(form), expected="an affine form at given sizes"
        )
    parts = []
    for space in touched:
        own = Form(tuple((m, c) for m, c in form.terms if not space.keys().isdisjoint(m)))
        parts.append((space, np.asarray(own.evaluate(space))))
    return parts


def sizes(tensor: Tensor) -> tuple[int, ...]:
    return tuple(int(f.evaluate({})) for f in tensor.shape)
