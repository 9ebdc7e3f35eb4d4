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
from codegen.relation import Family, Relation, entries
from derive.errors import LimitError

Cells = NDArray[np.int32]
TRACE_BYTES = 2**30
"""Memory that the sets of one traced run may take."""
TABLE_CELLS = 2**27
"""Most cells that one lookup table may have."""


class CTable(ctypes.Structure):
    _fields_ = (("width", ctypes.c_int64), ("low", ctypes.c_void_p), ("cells", ctypes.c_void_p))


class CFamily(ctypes.Structure):
    _fields_ = (
        *((n, ctypes.c_int64) for n in ("factors", "operand_a", "operand_b", "tables", "rank_offset")),
        *((n, ctypes.c_void_p) for n in ("rows_a", "rows_b", "table", "only")),
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
    packed = (CFamily * max(1, len(families)))(
        *(_packed(plan, f, o) for f, o in zip(families, offsets, strict=False))
    )
    _unique(plan)
    plan.kept += [packed, expected]
    plan.c_plan = CPlan(
        len(families), len(expected), offsets[-1], limit_bytes, ctypes.addressof(packed), expected.ctypes.data
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


def _packed(plan: Plan, family: Factorised, offset: int) -> CFamily:
    """One family: keys a and b are the two factors, or the one factor and the result."""
    a, b = (1, 2) if len(family.tensors) == 3 else (1, 0)
    rows = {role: [np.zeros(entries(family.tensors[role]), np.int64) for _ in range(2)] for role in (a, b)}
    tables = []
    for component, stride in zip(family.components, family.strides, strict=True):
        offsets = _result_offsets(family, component) if b else np.zeros(len(component.places), np.int64)
        values = np.stack([offsets, component.ordinal * stride], axis=1)
        keys = component.places[:, a], component.places[:, b]
        single = next((k for k, other in ((0, b), (1, a)) if component.radices[other] == 1), None)
        if single is not None:
            role = (a, b)[single]
            _fold(rows[role], family.place(component, role), component.radices[role], keys[single], values)
        else:
            tables.append(_table(plan, component.radices[a], *keys, values))
            for role in (a, b):
                rows[role].append(family.place(component, role))
    packed = (CTable * max(1, len(tables)))(*tables)
    only = np.zeros(0, np.int64)
    if not b:
        plan.single.append(_only(family))
        only = plan.single[-1].only
    flat = {role: np.ascontiguousarray(np.stack(columns, axis=1), np.int32) for role, columns in rows.items()}
    plan.kept += [packed, only, flat]
    names = [plan.operands.index(t.name) for t in family.tensors[1:]]
    return CFamily(
        *(len(names), names[0], names[-1], len(tables), offset),
        *(flat[a].ctypes.data, flat[b].ctypes.data, ctypes.addressof(packed), only.ctypes.data),
    )


def _result_offsets(family: Factorised, component: Component) -> Ints:
    """For each tuple, what its place in the result adds to the flat index of the result's entry."""
    _, first = np.unique(family.place(component, 0), return_index=True)
    return first.astype(np.int64)[component.places[:, 0]]


def _fold(rows: list[Ints], place: Ints, radix: int, keys: Ints, values: Ints) -> None:
    """A component that one key decides alone goes into that key's rows; entries without a term get -1."""
    table = np.full((radix, 2), -1, np.int64)
    table[keys] = values
    mine = table[place]
    dead = (mine[:, 0] < 0) | (rows[0] < 0)
    rows[0][:] = np.where(dead, -1, rows[0] + mine[:, 0])
    rows[1][:] = np.where(dead, 0, rows[1] + mine[:, 1])


def _table(plan: Plan, radix: int, key_a: Ints, key_b: Ints, values: Ints) -> CTable:
    """One component as rows of a window that starts at the least key b of its row."""
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
    cells = np.full((radix, width, 2), -1, np.int32)
    cells[key_a, key_b - low[key_a]] = values
    starts = low.astype(np.int32)
    plan.kept += [cells, starts]
    return CTable(width, starts.ctypes.data, cells.ctypes.data)


def _only(family: Factorised) -> Single:
    """The only entry of each factor entry, component by component."""
    tensor = family.tensors[1]
    found, uses = np.zeros(entries(tensor), np.int64), np.ones(entries(tensor), np.int64)
    for component in family.components:
        offsets = _result_offsets(family, component)
        number = np.bincount(component.places[:, 1], minlength=component.radices[1])
        value = np.zeros(component.radices[1], np.int64)
        value[component.places[:, 1]] = offsets
        place = family.place(component, 1)
        mine = np.where(number == 1, value, -1)[place]
        found = np.where((found < 0) | (mine < 0), -1, found + mine)
        uses *= number[place]
    return Single(tensor.name, found, uses)


def _unique(plan: Plan) -> None:
    """An operand entry that several families use has no only entry in any of them."""
    for single in plan.single:
        uses = sum(s.uses for s in plan.single if s.operand == single.operand)
        single.only[uses != 1] = -1
