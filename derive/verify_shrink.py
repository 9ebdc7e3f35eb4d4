"""Owns the search for the smallest layer and shape at which a wrong backward pass still fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from time import monotonic
from typing import Any

from derive.errors import LayerError
from derive.layers.base import Layer
from derive.verify_call import Subject
from derive.verify_numbers import run_case
from derive.verify_run import Case, Outcome

SECONDS = 6.0
"""Time after which the smallest failure so far is taken."""


@dataclass(frozen=True)
class Knobs:
    """The sizes of a convolution case, one field each, so that they can be lowered one by one."""

    batch: int
    groups: int
    channels: int
    filters: int
    length: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @staticmethod
    def of(case: Case) -> Knobs:
        layer: Any = case.layer
        rank = len(layer.kernel)
        batch = case.shape[0] if len(case.shape) == rank + 2 else 0
        per = layer.in_channels // layer.groups, layer.out_channels // layer.groups
        before, after = zip(*layer.paddings, strict=True)
        pace = layer.strides, layer.dilations
        return Knobs(batch, layer.groups, *per, case.shape[-rank:], layer.kernel, *pace, before, after)

    def case(self, like: Case) -> Case:
        """The case with these sizes; raises LayerError where they do not fit together."""
        base: Any = like.layer
        layer: Layer = replace(
            base,
            in_channels=self.channels * self.groups,
            out_channels=self.filters * self.groups,
            groups=self.groups,
            kernel_size=_short(self.kernel),
            stride=_short(self.stride),
            dilation=_short(self.dilation),
            padding=_padding(self.before, self.after),
        )
        lead = (self.batch,) if self.batch else ()
        return Case.of(layer, (*lead, self.channels * self.groups, *self.length))

    def lowered(self, varies: frozenset[str]) -> Iterator[Knobs]:
        """Every case with one number lower, the lowest first; a number that all axes share stays shared."""
        held = {field for name, owned in OWNED.items() if name not in varies for field in owned}
        for item in (f.name for f in fields(self) if f.name not in held):
            value = getattr(self, item)
            if isinstance(value, int):
                yield from (self._with(item, v) for v in _below(value, 1))
            elif item in ("before", "after") and len({*self.before, *self.after}) == 1:
                equal = [(v,) * len(value) for v in _below(value[0], 0)]
                yield from (replace(self, before=v, after=v) for v in equal)
            elif item in ("kernel", "stride", "dilation") and len(set(value)) == 1:
                yield from (self._with(item, (v,) * len(value)) for v in _below(value[0], 1))
            else:
                least = 0 if item in ("before", "after") else 1
                for axis, number in enumerate(value):
                    for v in _below(number, least):
                        yield self._with(item, (*value[:axis], v, *value[axis + 1 :]))

    def _with(self, item: str, value: Any) -> Knobs:
        changed: dict[str, Any] = {item: value}
        return replace(self, **changed)


OWNED = {"stride": {"stride"}, "padding": {"before", "after"}, "dilation": {"dilation"}, "groups": {"groups"}}


def _below(value: int, least: int) -> list[int]:
    return sorted({v for v in (least, least + 1, least + 2, value // 2, value - 1) if least <= v < value})


def _short(values: tuple[int, ...]) -> Any:
    return values[0] if len(set(values)) == 1 else values


def _padding(before: tuple[int, ...], after: tuple[int, ...]) -> Any:
    return _short(before) if before == after else tuple(zip(before, after, strict=True))


def shrink(tried: Subject, case: Case, outcome: Outcome) -> tuple[Case, Outcome, int]:
    """The smallest failing case found, its outcome, and how many cases were run.

    One number at a time is lowered as long as the same gradient still fails in the same way (wrong
    values, wrong shape or an exception); what remains fails at nothing smaller in any single number.
    """
    knobs, tries, until = Knobs.of(case), 0, monotonic() + SECONDS
    improved = True
    while improved and monotonic() < until:
        improved = False
        for smaller in knobs.lowered(tried.varies):
            try:
                candidate = smaller.case(case)
            except LayerError:
                continue
            tries += 1
            found = run_case(tried, candidate)
            if _alike(found, outcome, candidate, case):
                knobs, case, outcome, improved = smaller, candidate, found, True
                break
            if monotonic() > until:
                break
    return case, outcome, tries


def _alike(found: Outcome, wanted: Outcome, smaller: Case, larger: Case) -> bool:
    if found.ok or found.key != wanted.key or (found.got is None) != (wanted.got is None):
        return False
    if found.got is None or wanted.got is None:
        return found.fault.split(":")[0] == wanted.fault.split(":")[0]
    misshapen = found.got.shape != smaller.shapes[found.key], wanted.got.shape != larger.shapes[found.key]
    return misshapen[0] == misshapen[1]
