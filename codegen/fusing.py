"""Owns the choice of an index that the stages of a kernel share, so that they run row by row.

Where every stage between an entry of the result and the operands has an axis that goes along with one of the
result's (the batch of a softmax, the channel of a normalisation), all stages are done for one value of it
before the next: their arrays lose that axis and stay in the cache. Stages that the others read across the
axis come first, whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from codegen.algebra import ranges_of
from codegen.facts import entries_of
from codegen.rewrite import Stage
from codegen.stage import extents
from derive.expr import Definition, Expr, Read, substitute
from derive.index import name

ROW = "row"
"""The name of the shared index in a kernel's text."""
WORTH = 4096
"""Elements that the stages must hold together."""
LEAST = 128
"""Elements that the largest stage keeps for one value of the index."""


@dataclass(frozen=True)
class Fusion:
    """By stage the axis that is shared; how many values it has; and `root`, the last stage, stored whole."""

    axes: Mapping[str, int]
    extent: int
    root: str

    def parted(self, stages: Sequence[Stage]) -> tuple[list[Stage], list[Stage], list[Stage]]:
        """Stages to do whole before the rows, row by row, and whole after them."""
        first: list[Stage] = []
        rows: list[Stage] = []
        after: list[Stage] = []
        late = {self.root}
        for stage in stages:
            read = {e.tensor.name for t in stage.definition.body.terms for e in entries_of(t)}
            if stage.name in self.axes:
                rows.append(stage)
            elif read & late:
                late.add(stage.name)
                after.append(stage)
            else:
                first.append(stage)
        return first, rows, after

    def inner(self, stage: Stage) -> Stage:
        """The stage with its shared index called ROW."""
        definition = stage.definition
        shared = definition.indices[self.axes[stage.name]].name
        moved = tuple(substitute(t, {shared: name(ROW)}) for t in definition.body.terms)
        own = tuple(replace(i, name=ROW) if i.name == shared else i for i in definition.indices)
        return replace(stage, definition=replace(definition, indices=own, body=Expr(moved)))


def fusion(stages: Sequence[Stage]) -> Fusion | None:
    """The index of a stage that takes the most along; None where none is worth it."""
    found: list[Fusion] = []
    for number, stage in enumerate(stages):
        free = [a for a, i in enumerate(stage.definition.indices) if ranges_of((i,))[i.name] > 1]
        along = (_along(stages[: number + 1], stages[number + 1 :], a) for a in free[:-1] or free)
        found += [f for f in along if f is not None]
    sized = {s.name: prod(extents(s.definition.tensor)) for s in stages}

    def taken(one: Fusion) -> list[int]:
        return [sized[n] for n in one.axes if n != one.root]

    best = max(found, key=lambda one: sum(taken(one)), default=None)
    if best is None or sum(taken(best)) < WORTH or max(taken(best)) // best.extent < LEAST:
        return None
    return best


def _along(stages: Sequence[Stage], others: Sequence[Stage], axis: int) -> Fusion | None:
    """Which stages go along with an axis of the last one, from there back; `others` follow it."""
    last = stages[-1].definition
    axes = {last.tensor.name: axis}
    for number in reversed(range(len(stages) - 1)):
        title = stages[number].name
        pairs = [(s.definition, r) for s in stages[number + 1 :] for r in _reads(s.definition, title)]
        elsewhere = any(_reads(s.definition, title) for s in others)
        if elsewhere or not pairs or not all(d.tensor.name in axes for d, _ in pairs):
            continue
        shared = [
            k
            for k in range(len(stages[number].definition.indices))
            if all(r.index[k] == name(d.indices[axes[d.tensor.name]].name) for d, r in pairs)
        ]
        if shared:
            axes[title] = shared[0]
    if len(axes) == 1 or any(_held(s.definition, axes[s.name]) for s in stages if s.name in axes):
        return None
    return Fusion(axes, ranges_of((last.indices[axis],))[last.indices[axis].name], last.tensor.name)


def _reads(definition: Definition, title: str) -> list[Read]:
    return [e for t in definition.body.terms for e in entries_of(t) if e.tensor.name == title]


def _held(definition: Definition, axis: int) -> bool:
    """Whether a condition names the index."""
    index = definition.indices[axis].name
    return any(index in c.names for t in definition.body.terms for c in t.conditions)
