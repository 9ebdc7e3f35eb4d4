"""Owns the tables of a relation in the memory layout of trace_slots.h, alive as long as they are used."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import Untraceable
from codegen.factorise import Component, Factorised, Ints, factorised
from codegen.relation import Family, Relation, entries, shape_of
from derive.errors import LimitError

Cells = NDArray[np.int32]
TRACE_BYTES = 2**30
"""Memory that the sets of one traced run may take."""
TABLE_CELLS = 2**27
"""Most cells that one lookup table may have."""


ENTRY, NONE = 2**32, -(2**32)
"""A term in one number is its result's entry times ENTRY and its rank; NONE is no term."""


class CTable(ctypes.Structure):
    _fields_ = (("width", ctypes.c_int64), ("low", ctypes.c_void_p), ("cells", ctypes.c_void_p))


class CFamily(ctypes.Structure):
    _fields_ = (
        *(
            (n, ctypes.c_int64)
            for n in ("factors", "operand_a", "operand_b", "tables", "rank_offset", "entries_a", "entries_b")
        ),
        *((n, ctypes.c_void_p) for n in ("rows_a", "rows_b", "runs_a", "runs_b", "table", "only")),
    )


class CPlan(ctypes.Structure):
    _fields_ = (
        *((n, ctypes.c_int64) for n in ("families", "results", "ranks", "limit_bytes")),
        ("family", ctypes.c_void_p),
        ("expected", ctypes.c_void_p),
    )


@dataclass(frozen=True, eq=False)
class Single:
    """For every entry of the operand of a family of single entries: the result's entry that it is a term of
    (-1 where that is not one), and of how many."""

    operand: str
    only: Ints
    uses: Ints


@dataclass(eq=False)
class Plan:
    """A relation ready for tracing; `c_plan` points into `kept`, so a Plan must outlive its runs.

    Attributes:
        operands: names of the factor tensors; an operand's number in leaf words is its position here.
        expected: for every entry of the result its number of terms.
        offsets: first rank of each family.
    """

    relation: Relation
    families: tuple[Factorised, ...]
    operands: tuple[str, ...]
    expected: Ints
    offsets: tuple[int, ...]
    c_plan: CPlan = field(default_factory=CPlan)
    kept: list[Any] = field(default_factory=list)
    single: list[Single] = field(default_factory=list)

    def family_of(self, rank: int) -> tuple[Factorised, int]:
        """The family that a rank belongs to and the rank within it."""
        for family, offset in zip(reversed(self.families), reversed(self.offsets), strict=True):
            if rank >= offset:
                return family, rank - offset
        raise ValueError(rank)


def plan_of(relation: Relation, limit_bytes: int = TRACE_BYTES) -> Plan:
    """Tables of the relation; raises Untraceable where a product of entries does not name one term."""
    for bare in relation.families:
        _traceable(bare)
    _apart(relation.families)
    families = factorised(relation)
    operands = tuple(t.name for t in relation.operands)
    expected = np.zeros(entries(relation.result), np.int64)
    for family in families:
        expected += family.expected()
    offsets = tuple(int(o) for o in np.cumsum([0, *(f.ranks for f in families)]))
    if len(expected) >= 2**31 or offsets[-1] >= 2**31:
        raise LimitError(
            "too large to trace", where=str(relation.result), expected="under 2^31 entries and terms"
        )
    plan = Plan(relation, families, operands, expected, offsets[:-1])
    rows = [c for f, o in zip(families, offsets, strict=False) for c in _packed(plan, f, o)]
    packed = (CFamily * max(1, len(rows)))(*rows)
    _unique(plan)
    plan.kept += [packed, expected]
    plan.c_plan = CPlan(
        len(rows), len(expected), offsets[-1], limit_bytes, ctypes.addressof(packed), expected.ctypes.data
    )
    return plan


def _traceable(family: Family) -> None:
    names = [f.tensor.name for f in family.factors]
    if family.coefficient != 1 or len(names) not in (1, 2) or len(set(names)) != len(names):
        raise Untraceable(
            "the trace cannot follow this definition",
            where=str(family.result),
            expected="terms that are one operand entry or the product of entries of two operands",
            got=f"{family.coefficient} * {' * '.join(names)}",
        )


def _apart(families: Sequence[Family]) -> None:
    """Refuses two families of products of the same two operands: a product may be a term of both."""
    pairs = [frozenset(f.tensor.name for f in family.factors) for family in families]
    for pair in pairs:
        if len(pair) == 2 and pairs.count(pair) > 1:
            raise Untraceable(
                "the trace cannot tell this definition's terms apart",
                where=" * ".join(sorted(pair)),
                expected="a product of two entries in at most one term",
                got=f"{pairs.count(pair)} sums of such products",
            )


def _packed(plan: Plan, family: Factorised, offset: int) -> list[CFamily]:
    """One family by its keys: the two factors in either order, or the one factor and the result."""
    first, second = keys = (1, 2) if len(family.tensors) == 3 else (1, 0)
    parts: dict[int, list[tuple[Component, Ints]]] = {role: [] for role in keys}
    tables: list[tuple[Component, Ints]] = []
    for component, stride in zip(family.components, family.strides, strict=True):
        offsets = family.offsets(component)[component.places[:, 0]] if second else 0
        values = offsets * ENTRY + component.ordinal * stride
        alone = next(
            (k for k, other in ((first, second), (second, first)) if component.radices[other] == 1), None
        )
        if alone is None:
            tables.append((component, values))
        else:
            whole = np.full(component.radices[alone], NONE, np.int64)
            whole[component.places[:, alone]] = values
            parts[alone].append((component, whole))
    tables.sort(key=lambda t: max((*t[0].axes[first], *t[0].axes[second]), default=0))
    rows = {role: _rows(family, role, parts[role], [c for c, _ in tables]) for role in keys}
    runs = {role: _runs(rows[role]) for role in keys}
    only = np.zeros(0, np.int64)
    if not second:
        plan.single.append(_only(family))
        only = plan.single[-1].only
    plan.kept += [rows, runs, only]
    names = {role: plan.operands.index(family.tensors[role].name) for role in keys if role}
    found = []
    for a, b in ((first, second), (second, first)) if second else (keys,):
        packed = (CTable * max(1, len(tables)))(*(_table(plan, c, a, b, v) for c, v in tables))
        plan.kept.append(packed)
        numbers = (
            len(names),
            names[a],
            names.get(b, names[a]),
            len(tables),
            offset,
            len(rows[a]),
            len(rows[b]),
        )
        arrays = rows[a], rows[b], runs[a], runs[b]
        pointers = *(each.ctypes.data for each in arrays), ctypes.addressof(packed), only.ctypes.data
        found.append(CFamily(*numbers, *pointers))
    return found


def _rows(
    family: Factorised, role: int, parts: Sequence[tuple[Component, Ints]], tables: Sequence[Component]
) -> Cells:
    """For every entry of a key the sum of its parts as two numbers, and its place in each table."""
    shape = shape_of(family.tensors[role])
    whole, dead = np.zeros(shape, np.int64), np.zeros(shape, bool)
    for component, part in parts:
        whole += family.spread(component, role, part)
        dead |= family.spread(component, role, part < 0)
    whole[dead] = NONE
    found = np.empty((*shape, 2 + len(tables)), np.int32)
    found[..., :2] = whole.reshape(*shape, 1).view(np.int32)
    for spot, component in enumerate(tables, 2):
        found[..., spot] = family.spread(component, role, np.arange(component.radices[role]))
    return found.reshape(-1, 2 + len(tables))


def _runs(rows: Cells) -> NDArray[np.uint8]:
    """For every row how many there are from it on that go on alike, see trace_slots.h; 255 for more."""
    part = np.diff(np.ascontiguousarray(rows[:, :2]).view(np.int64)[:, 0])
    places = np.diff(rows[:, 2:], axis=0)
    last = places[:, -1] if places.shape[1] else np.zeros(len(part), np.int32)
    even = (last >= 0) & (last <= 1) & ~places[:, :-1].any(axis=1)
    change = (np.diff(part) != 0) | (np.diff(last) != 0) | ~even[1:]
    ends = np.append(np.flatnonzero(change) + 1, len(part))
    left = np.repeat(ends, np.diff(ends, prepend=0)) - np.arange(len(part))
    found = np.ones(len(rows), np.uint8)
    found[:-1] = np.where(even, np.minimum(left + 1, 255), 1)
    return found


def _table(plan: Plan, component: Component, a: int, b: int, values: Ints) -> CTable:
    """One component as rows by key a, each a window that starts at its least key b."""
    radix, key_a, key_b = component.radices[a], component.places[:, a], component.places[:, b]
    low = np.full(radix, np.iinfo(np.int32).max, np.int64)
    high = np.zeros(radix, np.int64)
    np.minimum.at(low, key_a, key_b)
    np.maximum.at(high, key_a, key_b)
    low = np.where(low > high, 0, low)
    width = int((high - low).max(initial=0)) + 1
    if radix * width > TABLE_CELLS:
        raise LimitError(
            "too large to trace", expected=f"at most {TABLE_CELLS} cells", got=str(radix * width)
        )
    cells = np.full((radix, width), NONE, np.int64)
    cells[key_a, key_b - low[key_a]] = values
    starts = low.astype(np.int32)
    plan.kept += [cells, starts]
    return CTable(width, starts.ctypes.data, cells.ctypes.data)


def _only(family: Factorised) -> Single:
    """The only entry of each factor entry, component by component."""
    tensor = family.tensors[1]
    found, uses = np.zeros(shape_of(tensor), np.int64), np.ones(shape_of(tensor), np.int64)
    shared = np.zeros(shape_of(tensor), bool)
    for component in family.components:
        number = np.bincount(component.places[:, 1], minlength=component.radices[1])
        value = np.zeros(component.radices[1], np.int64)
        value[component.places[:, 1]] = family.offsets(component)[component.places[:, 0]]
        found += family.spread(component, 1, value)
        shared |= family.spread(component, 1, number != 1)
        uses *= family.spread(component, 1, number)
    found[shared] = -1
    return Single(tensor.name, found.reshape(-1), uses.reshape(-1))


def _unique(plan: Plan) -> None:
    """An operand entry that several families use has no only entry in any of them."""
    for single in plan.single:
        uses = sum(s.uses for s in plan.single if s.operand == single.operand)
        single.only[uses != 1] = -1
